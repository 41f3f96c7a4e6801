/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/err.h"

const char *err_text(int err)
{
	switch (err) {
	case 0:
		return "success";
#define ERR_CASE(name, number, text)                                                                                   \
	case -(number):                                                                                                \
		return text;
		ERR_LIST(ERR_CASE)
#undef ERR_CASE
	default:
		return "unknown error";
	}
}
