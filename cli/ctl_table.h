/* SPDX-License-Identifier: BSD-3-Clause */
/* The answers of a control socket (live/control_answer.h) as tables for people, on standard output. Members that are
 * missing or of another kind are shown as "-": the run may be of another version. Caller: cli/cmd_ctl.c. */
#ifndef BATON_CLI_CTL_TABLE_H
#define BATON_CLI_CTL_TABLE_H

struct json_t;

void ctl_print_status(const struct json_t *answer);
void ctl_print_connections(const struct json_t *answer);
void ctl_print_backends(const struct json_t *answer);
void ctl_print_drain(const struct json_t *answer);
void ctl_print_undrain(const struct json_t *answer);
void ctl_print_stats(const struct json_t *answer); /* a line each: path, value */

#endif
