/*-------------------------------------------------------------------------
 *
 * roles.h
 *		Roles that the extension's rows name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_ROLES_H
#define TRUUST_ROLES_H

#include "nodes/nodes.h"

/*
 * After a command that the server let its user run: raise 2BP01 where it dropped
 * or renamed a role whose pending requests, attached tables or handlers are in
 * this database, which undoes it; what has ended goes out of the name's reach.
 */
extern void truust_roles_guard(Node *statement);

#endif /* TRUUST_ROLES_H */
