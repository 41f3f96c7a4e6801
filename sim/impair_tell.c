/* SPDX-License-Identifier: BSD-3-Clause */
/* What a direction does to packets, told in words to its observer. */
#include "sim/impair.h"

#include <stdio.h>

#define TEXT_MAX 64U

static void tell(const struct impair *i, const struct buf *frame, enum impair_act act, const char *text, nstime now)
{
	i->observer.act(i->observer.context, i, frame, act, text, now);
}

/* What of the loss model lost it: " gemodel bad state", or nothing for a plain probability. */
static const char *loss_words(const struct impair *i)
{
	switch (i->set.chain.kind) {
	case IMPAIR_CHAIN_GEMODEL:
		return i->chain_met == IMPAIR_CHAIN_START ? " gemodel good state" : " gemodel bad state";
	case IMPAIR_CHAIN_STATE:
		return i->chain_met == IMPAIR_CHAIN_ALONE ? " state 4, alone" : " state 3, in a burst";
	default:
		return "";
	}
}

void impair_tell_drop(const struct impair *i, const struct buf *frame, enum impair_drop reason, nstime now)
{
	char text[TEXT_MAX];

	snprintf(text, sizeof text, "dropped: %s%s", impair_drop_name(reason),
		 reason == IMPAIR_DROP_LOSS ? loss_words(i) : "");
	tell(i, frame, IMPAIR_ACT_DROP, text, now);
}

void impair_tell_corrupt(const struct impair *i, const struct buf *frame, nstime now)
{
	char text[TEXT_MAX];

	snprintf(text, sizeof text, "corrupted by link: bit %u", frame->corrupted - 1);
	tell(i, frame, IMPAIR_ACT_CORRUPT, text, now);
}

void impair_tell_duplicate(const struct impair *i, const struct buf *frame, nstime now)
{
	tell(i, frame, IMPAIR_ACT_DUPLICATE, "duplicated by link", now);
}
