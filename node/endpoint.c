/* SPDX-License-Identifier: BSD-3-Clause */
/* The node's stack as the balancer drives it, with what the stack does not know: the state of the application above. */
#include "base/err.h"
#include "node/app.h"
#include "node/internal.h"

static int ep_migrate(void *ep, struct endpoint_conn *conn, uint16_t device, struct conn_state *out, nstime now)
{
	struct node *n = ep;
	const struct sock_owner *owner = sock_user((struct sock *)conn);
	struct vec app = {0};
	int r = owner->save && !owner->save(owner, &app) ? E_STATE : 0;
	if (!r)
		r = stack_endpoint_ops.migrate(n->stack, conn, device, out, now);
	if (!r)
		vec_append(&out->app, app.data, app.len);
	vec_fini(&app);
	return r;
}

static void ep_thaw(void *ep, struct endpoint_conn *conn, nstime now)
{
	stack_endpoint_ops.thaw(((struct node *)ep)->stack, conn, now);
}

static void ep_release(void *ep, struct endpoint_conn *conn)
{
	stack_endpoint_ops.release(((struct node *)ep)->stack, conn);
}

/* Whether an application that listens for the connection can go on with it. */
static bool app_found(const struct node *n, const struct conn_state *state)
{
	const struct addr any = {0};
	const struct app *found = NULL;
	for (size_t i = 0; i < n->apps_count; i++) {
		if (app_listens(n->apps[i], &state->ip.local, state->tcp.local_port))
			return app_can_resume(n->apps[i], state->app.data, state->app.len);
		if (app_listens(n->apps[i], &any, state->tcp.local_port))
			found = n->apps[i];
	}
	return found && app_can_resume(found, state->app.data, state->app.len);
}

static int ep_infuse(void *ep, const struct conn_state *state, struct endpoint_conn **conn, nstime now)
{
	struct node *n = ep;
	if (state->app.len && !app_found(n, state))
		return E_REFUSED;
	int r = stack_endpoint_ops.infuse(n->stack, state, conn, now);
	if (!r && state->app.len)
		sock_app_set((struct sock *)*conn, state->app.data, state->app.len);
	return r;
}

static void ep_activate(void *ep, struct endpoint_conn *conn, nstime now)
{
	stack_endpoint_ops.activate(((struct node *)ep)->stack, conn, now);
}

static void ep_discard(void *ep, struct endpoint_conn *conn)
{
	stack_endpoint_ops.discard(((struct node *)ep)->stack, conn);
}

const struct endpoint_ops node_endpoint_ops = {
	.migrate = ep_migrate,
	.thaw = ep_thaw,
	.release = ep_release,
	.infuse = ep_infuse,
	.activate = ep_activate,
	.discard = ep_discard,
};
