/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket, with clients on real sockets and an answer of any size. */
#include "live/control.h"

#include "base/err.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define TURN_NS (20 * NSTIME_MS)

static char directory[] = "/tmp/baton-control-XXXXXX";
static char path[64];
static struct loop loop;
static struct control *control;
static size_t answer_bytes; /* of padding */

static json_t *answer(void *context, const struct control_request *r, char why[CONTROL_WHY_MAX])
{
	(void)context;
	if (r->command == CONTROL_DRAIN) {
		snprintf(why, CONTROL_WHY_MAX, "no backend '%s'", r->name);
		return NULL;
	}
	char *padding = malloc(answer_bytes + 1);

	memset(padding, 'x', answer_bytes);
	padding[answer_bytes] = '\0';
	json_t *a = json_pack("{s:s, s:s}", "command", control_commands[r->command], "padding", padding);

	free(padding);
	return a;
}

static int open_again(char why[CONTROL_WHY_MAX])
{
	return control_open(&control, &loop, &(struct control_config){.path = path, .mode = 0640, .answer = answer},
			    why);
}

static void setup(void)
{
	char why[CONTROL_WHY_MAX];

	strcpy(directory, "/tmp/baton-control-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/socket", directory);
	answer_bytes = 0;
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(open_again(why), 0);
}

static void teardown(void)
{
	control_close(control);
	loop_fini(&loop);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(rmdir(directory), 0);
}

/* Lets the socket work until it has had nothing to do for a while. */
static void work(nstime at_most)
{
	nstime end = loop_now(&loop) + at_most;

	do {
		ck_assert_int_eq(loop_wait(&loop, loop_now(&loop) + TURN_NS), 0);
		if (!loop.batch_count)
			return;
		loop_dispatch(&loop);
	} while (loop_now(&loop) < end);
}

static int client(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&a, sizeof a), 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* What came, up to 64 KiB. */
static const char *heard(int fd)
{
	static char text[65536];
	ssize_t n = recv(fd, text, sizeof text - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static bool is_closed(int fd)
{
	char c;

	return recv(fd, &c, 1, 0) == 0;
}

START_TEST(answers_in_order)
{
	int fd = client();

	say(fd, "{\"command\":\"status\"}\r\n{\"command\":\"drain\",\"name\":\"x\"}\nnonsense\n{\"comm");
	work(NSTIME_S);
	ck_assert_str_eq(heard(fd), "{\"ok\":true,\"command\":\"status\",\"padding\":\"\"}\n"
				    "{\"ok\":false,\"error\":\"no backend 'x'\"}\n"
				    "{\"ok\":false,\"error\":\"not JSON: column 8: '[' or '{' expected near "
				    "'nonsense'\"}\n");
	say(fd, "and\":\"stats\"}\n");
	work(NSTIME_S);
	ck_assert_str_eq(heard(fd), "{\"ok\":true,\"command\":\"stats\",\"padding\":\"\"}\n");
	ck_assert_uint_eq(control_counters(control)->requests, 4);
	ck_assert_uint_eq(control_counters(control)->malformed, 1);
	close(fd);
	work(NSTIME_S);
}
END_TEST

START_TEST(half_closed_client_is_answered)
{
	int fd = client();

	say(fd, "{\"command\":\"status\"}\n{\"command\":\"stats\"}\n");
	shutdown(fd, SHUT_WR);
	work(NSTIME_S);
	const char *text = heard(fd);

	ck_assert_ptr_nonnull(strstr(text, "\"status\""));
	ck_assert_ptr_nonnull(strstr(text, "\"stats\""));
	ck_assert(is_closed(fd));
	close(fd);
}
END_TEST

START_TEST(oversized_request)
{
	char line[CONTROL_REQUEST_MAX + 2];
	int fd = client();

	memset(line, ' ', sizeof line);
	line[0] = '{';
	line[CONTROL_REQUEST_MAX - 1] = '}'; /* as long as may be: malformed, and the client stays */
	line[CONTROL_REQUEST_MAX] = '\n';
	line[CONTROL_REQUEST_MAX + 1] = '\0';
	say(fd, line);
	work(NSTIME_S);
	ck_assert_ptr_nonnull(strstr(heard(fd), "'command' is missing"));
	line[CONTROL_REQUEST_MAX] = ' ';
	say(fd, line);
	work(NSTIME_S);
	ck_assert_str_eq(heard(fd), "{\"ok\":false,\"error\":\"a request is a line of 4096 bytes at most\"}\n");
	ck_assert(is_closed(fd));
	close(fd);
}
END_TEST

START_TEST(many_clients)
{
	int fds[CONTROL_CLIENTS_MAX + 3];

	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX + 3; i++) {
		fds[i] = client();
		work(NSTIME_S);
	}
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		say(fds[i], "{\"command\":\"status\"}\n");
		work(NSTIME_S);
		ck_assert_ptr_nonnull(strstr(heard(fds[i]), "\"ok\":true"));
	}
	for (unsigned i = CONTROL_CLIENTS_MAX; i < CONTROL_CLIENTS_MAX + 3; i++) {
		ck_assert_str_eq(heard(fds[i]), "{\"ok\":false,\"error\":\"there are too many clients\"}\n");
		ck_assert(is_closed(fds[i]));
	}
	ck_assert_uint_eq(control_counters(control)->refused, 3);
	close(fds[0]); /* makes room for another */
	work(NSTIME_S);
	fds[0] = client();
	say(fds[0], "{\"command\":\"status\"}\n");
	work(NSTIME_S);
	ck_assert_ptr_nonnull(strstr(heard(fds[0]), "\"ok\":true"));
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX + 3; i++)
		close(fds[i]);
}
END_TEST

/* An answer that is not taken is the only one made, and in the end its client goes; so does one that never ends its
 * request. Neither keeps others from being served. */
START_TEST(slow_clients)
{
	int deaf = client(), slow = client(), other = client();

	answer_bytes = 4U << 20; /* more than sockets hold */
	say(deaf, "{\"command\":\"status\"}\n{\"command\":\"status\"}\n");
	work(NSTIME_S);
	ck_assert_uint_eq(control_counters(control)->requests, 1);
	say(slow, "{\"comm");
	answer_bytes = 0;
	for (nstime begin = loop_now(&loop), said = begin;
	     !control_counters(control)->slow || control_counters(control)->slow < 2;) {
		ck_assert_uint_lt(loop_now(&loop), begin + CONTROL_PATIENCE + 4 * NSTIME_S);
		if (loop_now(&loop) > said + NSTIME_S) {
			said = loop_now(&loop);
			(void)!send(slow, " ", 1, MSG_NOSIGNAL); /* a drop now and then does not help it */
			say(other, "{\"command\":\"status\"}\n");
			work(NSTIME_S);
			ck_assert_ptr_nonnull(strstr(heard(other), "\"ok\":true"));
		}
		work(100 * NSTIME_MS);
	}
	ck_assert_uint_ge(loop_now(&loop), CONTROL_PATIENCE);
	ck_assert(is_closed(slow));
	close(deaf);
	close(slow);
	close(other);
}
END_TEST

START_TEST(file_and_its_permissions)
{
	struct stat st;

	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
}
END_TEST

START_TEST(address_in_use)
{
	struct control *first = control;
	char why[CONTROL_WHY_MAX];

	ck_assert_int_eq(open_again(why), E_EXISTS);
	ck_assert_ptr_nonnull(strstr(why, "the address is in use"));
	control = first;
	int fd = client();

	say(fd, "{\"command\":\"status\"}\n");
	work(NSTIME_S);
	ck_assert_ptr_nonnull(strstr(heard(fd), "\"ok\":true"));
	close(fd);
}
END_TEST

/* A file that a killed process left, and one that is no socket. */
START_TEST(what_is_in_the_way)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char why[CONTROL_WHY_MAX];
	int dead = socket(AF_UNIX, SOCK_STREAM, 0), file;

	control_close(control);
	strcpy(a.sun_path, path);
	ck_assert_int_eq(bind(dead, (const struct sockaddr *)&a, sizeof a), 0);
	close(dead);
	ck_assert_int_eq(open_again(why), 0);
	control_close(control);
	file = open(path, O_CREAT | O_WRONLY, 0600);
	close(file);
	ck_assert_int_eq(open_again(why), E_EXISTS);
	ck_assert_ptr_nonnull(strstr(why, "no socket"));
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

/* One that another process made meanwhile is left alone. */
START_TEST(removes_its_own_file_only)
{
	struct control *first = control, *second;
	char why[CONTROL_WHY_MAX];

	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(open_again(why), 0);
	second = control;
	control_close(first);
	ck_assert_int_eq(access(path, F_OK), 0);
	control = second;
}
END_TEST

START_TEST(says_what_is_wrong)
{
	struct control *none;
	char why[CONTROL_WHY_MAX];
	struct control_config c = {.path = "/nonexistent/socket", .mode = 0600, .answer = answer};

	ck_assert_int_eq(control_open(&none, &loop, &c, why), E_NOENT);
	ck_assert_ptr_null(none);
	ck_assert_ptr_nonnull(strstr(why, "/nonexistent/socket"));
	control_close(control);
	c = (struct control_config){.path = path, .mode = 0600, .group = "nobody-has-this", .answer = answer};
	ck_assert_int_eq(control_open(&control, &loop, &c, why), E_NOENT);
	ck_assert_ptr_nonnull(strstr(why, "there is no group 'nobody-has-this'"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control");
	TCase *c = tcase_create("control");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, answers_in_order);
	tcase_add_test(c, half_closed_client_is_answered);
	tcase_add_test(c, oversized_request);
	tcase_add_test(c, many_clients);
	tcase_add_test(c, slow_clients);
	tcase_add_test(c, file_and_its_permissions);
	tcase_add_test(c, address_in_use);
	tcase_add_test(c, what_is_in_the_way);
	tcase_add_test(c, removes_its_own_file_only);
	tcase_add_test(c, says_what_is_wrong);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
