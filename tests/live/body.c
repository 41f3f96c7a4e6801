/* SPDX-License-Identifier: BSD-3-Clause */
/* body KEY SIZE: the first SIZE bytes of the stream of a key of 16 hexadecimal digits, to compare with what a client
 * received. It is written from the description of that stream in node/body.h, not from its code. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK_WORDS 8192U

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x += x << 21;
	return x ^ (x >> 17);
}

int main(int argc, char **argv)
{
	static uint8_t block[8 * BLOCK_WORDS];

	if (argc != 3) {
		fprintf(stderr, "usage: body KEY SIZE\n");
		return 2;
	}
	uint64_t counter = strtoull(argv[1], NULL, 16), left = strtoull(argv[2], NULL, 10);

	while (left > 0) {
		size_t take = left < sizeof block ? (size_t)left : sizeof block;

		for (size_t i = 0; i < BLOCK_WORDS; i++) {
			uint64_t word = mix(counter += UINT64_C(0x9e3779b97f4a7c15));

			for (size_t b = 0; b < 8; b++)
				block[8 * i + b] = (uint8_t)(word >> 8 * b);
		}
		if (fwrite(block, 1, take, stdout) != take)
			return 1;
		left -= take;
	}
	return fflush(stdout) != 0;
}
