/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/checksum.h"

#include <stdbool.h>

/* One's-complement addition is associative and does not care for byte order (RFC 1071, section 2), so words of any even
 * size are added with end-around carry and folded at the end; the result is 0 only when every byte is. */

static inline uint64_t add_carry(uint64_t a, uint64_t b)
{
	uint64_t s = a + b;

	return s + (s < b);
}

static inline uint16_t fold(uint64_t s)
{
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

/* Adds n bytes to `s`, copying them to dst when `copy`. All offsets are even except that of an odd last byte. */
static inline __attribute__((always_inline)) uint64_t sum_scalar(uint64_t s, uint8_t *dst, const uint8_t *src, size_t n,
								 bool copy)
{
	size_t i = 0;

	for (; n - i >= 8; i += 8) {
		uint64_t word;

		memcpy(&word, src + i, 8);
		if (copy)
			memcpy(dst + i, &word, 8);
		s = add_carry(s, word);
	}
	if (n - i >= 4) {
		uint32_t word;

		memcpy(&word, src + i, 4);
		if (copy)
			memcpy(dst + i, &word, 4);
		s = add_carry(s, word);
		i += 4;
	}
	if (n - i >= 2) {
		uint16_t word;

		memcpy(&word, src + i, 2);
		if (copy)
			memcpy(dst + i, &word, 2);
		s = add_carry(s, word);
		i += 2;
	}
	if (n - i == 1) {
		uint16_t word = 0;

		memcpy(&word, src + i, 1);
		if (copy)
			dst[i] = src[i];
		s = add_carry(s, word);
	}
	return s;
}

#ifdef __x86_64__
#include <immintrin.h>

/* Below this the set-up costs more than it gains (headers, pseudo-headers). */
#define AVX2_LEN_MIN 64U

/* Each 64-bit lane takes the two 32-bit halves of its words: no carry is lost below 2^31 additions. */
static inline __attribute__((always_inline, target("avx2"))) uint64_t sum_avx2(uint8_t *dst, const uint8_t *src,
									       size_t n, bool copy)
{
	const __m256i low_mask = _mm256_set1_epi64x(0xffffffff);
	__m256i low0 = _mm256_setzero_si256(), low1 = low0, high0 = low0, high1 = low0;
	uint64_t lanes[4];
	size_t i = 0;

	for (; n - i >= 64; i += 64) {
		__m256i a = _mm256_loadu_si256((const __m256i *)(const void *)(src + i));
		__m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(src + i + 32));

		if (copy) {
			_mm256_storeu_si256((__m256i *)(void *)(dst + i), a);
			_mm256_storeu_si256((__m256i *)(void *)(dst + i + 32), b);
		}
		low0 = _mm256_add_epi64(low0, _mm256_and_si256(a, low_mask));
		high0 = _mm256_add_epi64(high0, _mm256_srli_epi64(a, 32));
		low1 = _mm256_add_epi64(low1, _mm256_and_si256(b, low_mask));
		high1 = _mm256_add_epi64(high1, _mm256_srli_epi64(b, 32));
	}
	low0 = _mm256_add_epi64(_mm256_add_epi64(low0, low1), _mm256_add_epi64(high0, high1));
	_mm256_storeu_si256((__m256i *)(void *)lanes, low0);
	lanes[0] = add_carry(add_carry(lanes[0], lanes[1]), add_carry(lanes[2], lanes[3]));
	return sum_scalar(lanes[0], copy ? dst + i : NULL, src + i, n - i, copy);
}

static __attribute__((target("avx2"))) uint64_t sum_only_avx2(const uint8_t *src, size_t n)
{
	return sum_avx2(NULL, src, n, false);
}

static __attribute__((target("avx2"))) uint64_t sum_copy_avx2(uint8_t *dst, const uint8_t *src, size_t n)
{
	return sum_avx2(dst, src, n, true);
}

static inline bool use_avx2(size_t n)
{
	return n >= AVX2_LEN_MIN && __builtin_cpu_supports("avx2");
}
#else
static inline bool use_avx2(size_t n)
{
	(void)n;
	return false;
}
#define sum_only_avx2(src, n)      0
#define sum_copy_avx2(dst, src, n) 0
#endif

uint16_t checksum_sum(const void *data, size_t n)
{
	return fold(use_avx2(n) ? sum_only_avx2(data, n) : sum_scalar(0, NULL, data, n, false));
}

uint16_t checksum_copy(void *dst, const void *src, size_t n)
{
	return fold(use_avx2(n) ? sum_copy_avx2(dst, src, n) : sum_scalar(0, dst, src, n, true));
}
