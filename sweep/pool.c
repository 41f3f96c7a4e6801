/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/pool.h"

#include "base/err.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS 100000000L

struct worker {
	pid_t pid; /* 0: free */
	size_t index;
};

struct state {
	const struct pool *pool;
	struct worker *workers; /* one for each job at a time */
	size_t busy;
	sigset_t waited, before;
	int result;
};

static _Noreturn void child(const struct state *s, size_t index, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	/* Whatever the parent does about these, a child just ends. */
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	sigprocmask(SIG_SETMASK, &s->before, NULL);
	int status = s->pool->run(s->pool->context, index);
	fflush(NULL);
	_exit(status);
}

static int start(struct state *s, size_t index)
{
	struct worker *w = s->workers;
	pid_t parent = getpid();

	while (w->pid)
		w++;
	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0)
		return E_IO;
	if (!pid)
		child(s, index, parent);
	*w = (struct worker){.pid = pid, .index = index};
	s->busy++;
	return 0;
}

static void kill_all(const struct state *s)
{
	for (size_t i = 0; i < s->pool->jobs; i++)
		if (s->workers[i].pid)
			kill(s->workers[i].pid, SIGTERM);
}

/* Takes every child that ended. */
static void reap(struct state *s)
{
	int status;

	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		for (size_t i = 0; i < s->pool->jobs; i++) {
			struct worker *w = &s->workers[i];
			if (w->pid != pid)
				continue;
			w->pid = 0;
			s->busy--;
			if (!s->pool->ended(s->pool->context, w->index,
					    WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status)) &&
			    !s->result)
				s->result = E_CLOSED;
		}
	}
}

/* Waits until a child ends, a signal comes or a tick is over. */
static void wait_once(struct state *s)
{
	const struct timespec tick = {.tv_nsec = TICK_NS};
	int number = sigtimedwait(&s->waited, NULL, &tick);

	if (number == SIGINT || number == SIGTERM) {
		s->result = E_CLOSED;
		kill_all(s);
	}
	reap(s);
	s->pool->tick(s->pool->context);
}

int pool_run(const struct pool *p, const size_t *indices, size_t count)
{
	struct state s = {.pool = p, .workers = calloc(p->jobs, sizeof(*s.workers))};
	int saved = 0;

	if (!s.workers)
		log_fatal("out of memory: a pool of processes");
	sigemptyset(&s.waited);
	sigaddset(&s.waited, SIGCHLD);
	sigaddset(&s.waited, SIGINT);
	sigaddset(&s.waited, SIGTERM);
	sigprocmask(SIG_BLOCK, &s.waited, &s.before);
	for (size_t next = 0; s.busy || (next < count && !s.result);) {
		while (!s.result && next < count && s.busy < p->jobs) {
			s.result = start(&s, indices[next++]);
			saved = errno;
		}
		if (s.busy)
			wait_once(&s);
	}
	sigprocmask(SIG_SETMASK, &s.before, NULL);
	free(s.workers);
	errno = saved;
	return s.result;
}
