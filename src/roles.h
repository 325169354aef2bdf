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
 * Before a command runs: raise 2BP01 where it drops or renames a role whose
 * pending requests, attached tables or handlers are in this database.
 */
extern void truust_roles_guard(Node *statement);

#endif /* TRUUST_ROLES_H */
