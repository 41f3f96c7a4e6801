/* SPDX-License-Identifier: BSD-3-Clause */
/* How every test program ends: its suite is run as the environment says (CK_FORK, CK_VERBOSITY, CK_TAP_LOG_FILE_NAME).
 */
#ifndef BATON_TESTS_UNIT_H
#define BATON_TESTS_UNIT_H

#include <check.h>
#include <stdlib.h>

/* Runs and frees the suite; what main returns. */
static inline int unit_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
