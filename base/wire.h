/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers of wire formats that more than one layer must know. */
#ifndef BATON_BASE_WIRE_H
#define BATON_BASE_WIRE_H

#define COURIER_PORT 7433U /* UDP: blobs and control messages between forwarder, classifier and backends */

#endif
