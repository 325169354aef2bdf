/*-------------------------------------------------------------------------
 *
 * roles.h
 *		Roles that the extension works for are not dropped.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_ROLES_H
#define TRUUST_ROLES_H

#include "nodes/nodes.h"
#include "nodes/pg_list.h"

/*
 * Before a command, the roles that it will drop; after it, once the server has let
 * its user do so, raise 2BP01 where one of them has pending requests, attached
 * tables or handlers in this database, which undoes it.
 */
extern List *truust_roles_to_drop(Node *statement);
extern void	 truust_roles_guard(List *dropped);

#endif /* TRUUST_ROLES_H */
