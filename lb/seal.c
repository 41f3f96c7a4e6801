/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/seal.h"

#include "base/cursor.h"
#include "base/err.h"

#include <assert.h>
#include <string.h>

#define SEAL_NONCE_LEN 12U

_Static_assert(crypto_aead_chacha20poly1305_ietf_NPUBBYTES == SEAL_NONCE_LEN, "nonce");
_Static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == SEAL_TAG_LEN, "tag");
_Static_assert(crypto_aead_chacha20poly1305_ietf_KEYBYTES == SEAL_KEY_LEN, "key");
_Static_assert(crypto_aead_aes256gcm_NPUBBYTES == SEAL_NONCE_LEN, "nonce");
_Static_assert(crypto_aead_aes256gcm_ABYTES == SEAL_TAG_LEN, "tag");
_Static_assert(crypto_aead_aes256gcm_KEYBYTES == SEAL_KEY_LEN, "key");

static const char *const cipher_names[] = {
	[SEAL_CHACHA20_POLY1305] = "chacha20-poly1305",
	[SEAL_AES256_GCM] = "aes256-gcm",
};

const char *seal_cipher_name(enum seal_cipher cipher)
{
	return cipher_names[cipher];
}

int seal_cipher_check(enum seal_cipher cipher)
{
	if (sodium_init() < 0)
		return E_UNSUPPORTED;
	if (cipher == SEAL_AES256_GCM && !crypto_aead_aes256gcm_is_available())
		return E_UNSUPPORTED;
	return 0;
}

void seal_key_derive(struct seal_key *key, enum seal_cipher cipher, const uint8_t cluster_key[SEAL_KEY_LEN],
		     const struct seal_path *path)
{
	/* The cipher is part of it: two ciphers never share a key. */
	static const char label[] = "baton courier 1";
	uint8_t text[sizeof(label) + 2 + 2 + 2 + 8 + 8];
	uint8_t raw[SEAL_KEY_LEN];
	struct writer w = writer_make(text, sizeof(text));

	writer_bytes(&w, label, sizeof(label));
	writer_u8(&w, (uint8_t)cipher);
	writer_u8(&w, (uint8_t)path->purpose);
	writer_u16(&w, path->sender);
	writer_u16(&w, path->receiver);
	writer_u64(&w, path->sender_boot);
	writer_u64(&w, path->receiver_boot);
	assert(!w.bad && writer_len(&w) == sizeof(text));

	crypto_generichash(raw, sizeof(raw), text, sizeof(text), cluster_key, SEAL_KEY_LEN);
	key->cipher = cipher;
	if (cipher == SEAL_AES256_GCM)
		crypto_aead_aes256gcm_beforenm(&key->aes, raw);
	else
		memcpy(key->chacha20, raw, sizeof(raw));
	sodium_memzero(raw, sizeof(raw));
}

void seal_key_wipe(struct seal_key *key)
{
	sodium_memzero(key, sizeof(*key));
}

static void nonce_make(uint8_t nonce[SEAL_NONCE_LEN], uint64_t number)
{
	struct writer w = writer_make(nonce, SEAL_NONCE_LEN);

	writer_u32(&w, 0);
	writer_u64(&w, number);
}

void seal_frame(const struct seal_key *key, uint64_t number, uint8_t *frame, size_t header_len, size_t body_len)
{
	uint8_t nonce[SEAL_NONCE_LEN];
	uint8_t *body = frame + header_len;

	nonce_make(nonce, number);
	if (key->cipher == SEAL_AES256_GCM)
		crypto_aead_aes256gcm_encrypt_detached_afternm(body, body + body_len, NULL, body, body_len, frame,
							       header_len, NULL, nonce, &key->aes);
	else
		crypto_aead_chacha20poly1305_ietf_encrypt_detached(body, body + body_len, NULL, body, body_len, frame,
								   header_len, NULL, nonce, key->chacha20);
}

int seal_open(const struct seal_key *key, uint64_t number, uint8_t *frame, size_t header_len, size_t len)
{
	uint8_t nonce[SEAL_NONCE_LEN];
	uint8_t *body = frame + header_len;
	size_t body_len;
	int rc;

	if (len < header_len + SEAL_TAG_LEN)
		return E_TRUNCATED;
	body_len = len - header_len - SEAL_TAG_LEN;
	nonce_make(nonce, number);
	if (key->cipher == SEAL_AES256_GCM)
		rc = crypto_aead_aes256gcm_decrypt_detached_afternm(body, NULL, body, body_len, body + body_len, frame,
								    header_len, nonce, &key->aes);
	else
		rc = crypto_aead_chacha20poly1305_ietf_decrypt_detached(body, NULL, body, body_len, body + body_len,
									frame, header_len, nonce, key->chacha20);
	return rc ? E_AUTH : 0;
}
