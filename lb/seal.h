/* SPDX-License-Identifier: BSD-3-Clause */
/* Sealing of courier frames: authenticated encryption in place, and the keys for it.
 *
 * Every ordered pair of incarnations of two devices has its own sub-key, drawn by keyed BLAKE2b (RFC 7693) from the
 * cluster key, so that neither a restart nor another sender can repeat a nonce and a replay to a restarted receiver
 * does not open (claim C1.7). The nonce is the frame's packet number, a counter that its sender never repeats for a
 * key; counting is the courier's duty. It keeps no state and knows nothing of what it seals. lb/courier calls it. */
#ifndef BATON_LB_SEAL_H
#define BATON_LB_SEAL_H

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>

#define SEAL_KEY_LEN 32U /* bytes of a cluster key, and of a sub-key */
#define SEAL_TAG_LEN 16U /* bytes that sealing adds */

enum seal_cipher {
	SEAL_CHACHA20_POLY1305, /* RFC 8439; on every processor */
	SEAL_AES256_GCM,        /* NIST SP 800-38D; needs AES and carry-less multiplication in the processor */
};

/* What a sub-key is for: goes into its derivation. */
enum seal_purpose {
	SEAL_PURPOSE_HELLO = 1, /* frames of kind HELLO: the receiver's boot is not known, and 0 */
	SEAL_PURPOSE_DATA = 2,  /* all others */
};

/* Whose frames a sub-key seals. */
struct seal_path {
	enum seal_purpose purpose;
	uint16_t sender, receiver;           /* device ids */
	uint64_t sender_boot, receiver_boot; /* boot ids; receiver_boot is 0 for SEAL_PURPOSE_HELLO */
};

/* A sub-key made ready for its cipher. Wipe with seal_key_wipe. */
struct seal_key {
	union {
		uint8_t chacha20[SEAL_KEY_LEN];
		crypto_aead_aes256gcm_state aes; /* the expanded key: preparing it costs as much as sealing a frame */
	};
	enum seal_cipher cipher;
};

/* The cipher's name in scenario files ("chacha20-poly1305", "aes256-gcm"); static. */
const char *seal_cipher_name(enum seal_cipher cipher);

/* 0, or E_UNSUPPORTED when the processor lacks what the cipher needs: an error for whoever configured it, never a
 * reason to take another (frames' bytes must not depend on the processor). Prepares libsodium; call it before the
 * others. */
int seal_cipher_check(enum seal_cipher cipher);

/* Draws the sub-key of `path` from the cluster key and prepares it. */
void seal_key_derive(struct seal_key *key, enum seal_cipher cipher, const uint8_t cluster_key[SEAL_KEY_LEN],
		     const struct seal_path *path);

void seal_key_wipe(struct seal_key *key);

/* Seals the `body_len` bytes at frame + header_len in place, authenticates the header with them, and writes
 * SEAL_TAG_LEN bytes behind them: the frame is header_len + body_len + SEAL_TAG_LEN bytes in all.
 * Precondition: `number` was never used with this key. */
void seal_frame(const struct seal_key *key, uint64_t number, uint8_t *frame, size_t header_len, size_t body_len);

/* Opens in place a frame of `len` bytes in all, tag included: 0, or E_AUTH (the bytes behind the header are then
 * undefined), or E_TRUNCATED when it is too short to hold header and tag. The body is len - header_len - SEAL_TAG_LEN
 * bytes. */
int seal_open(const struct seal_key *key, uint64_t number, uint8_t *frame, size_t header_len, size_t len);

#endif
