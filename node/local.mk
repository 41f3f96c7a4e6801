# SPDX-License-Identifier: BSD-3-Clause
libnode_a_SOURCES = \
	node/app.c \
	node/app.h \
	node/app_auto.c \
	node/app_echo.c \
	node/app_http.c \
	node/app_internal.h \
	node/app_proxy.c \
	node/app_relay.c \
	node/app_relay.h \
	node/app_sink.c \
	node/app_tls.c \
	node/body.c \
	node/body.h \
	node/client.c \
	node/client.h \
	node/client_group.c \
	node/client_http.c \
	node/client_internal.h \
	node/client_stream.c \
	node/client_tls.c \
	node/cluster.c \
	node/datagram.c \
	node/endpoint.c \
	node/handing.c \
	node/internal.h \
	node/limits.h \
	node/node.c \
	node/node.h \
	node/role_backend.c \
	node/role_classifier.c \
	node/role_drain.c \
	node/role_forwarder.c \
	node/sender.c \
	node/sender.h \
	node/tls.c \
	node/tls.h
