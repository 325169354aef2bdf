/*-------------------------------------------------------------------------
 *
 * role_name.h
 *		Roles as rows name them: by OID, and by the name that goes with it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_ROLE_NAME_H
#define TRUUST_ROLE_NAME_H

/* Whether there is (still) a role with this OID. */
extern bool truust_role_exists(Oid role);

/*
 * The name that a row has to give for the role that it belongs to, where it
 * gives name: what the role is called now, "pg_dropped_<OID>_<name>", which no
 * role can be called, if it is gone, and name itself if the row belongs to none
 * (role InvalidOid).  palloc'd.
 */
extern char *truust_role_name(Oid role, const char *name);

/*
 * Raise 40001 where a row that was written by the role's name belongs to somebody
 * else, because the role lost that name at the same moment.
 */
extern void truust_role_check_written(Oid role, Oid written);

#endif /* TRUUST_ROLE_NAME_H */
