/*-------------------------------------------------------------------------
 *
 * owner.h
 *		Acting as the owner of the extension's tables, and as another role for
 *		that role's code.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_OWNER_H
#define TRUUST_OWNER_H

/* What to go back to; unwinds by itself with the (sub)transaction on an error. */
typedef struct TruustRoleState
{
	Oid saved_user;
	int saved_context;
	int guc_nest_level;
} TruustRoleState;

/* Owner of the extension's tables, InvalidOid where the extension is not. Must be called in a transaction. */
extern Oid truust_owner(void);

/* What is done with the owner's rights, and so must not depend on the caller's settings. */
typedef enum TruustOwnerWork
{
	TRUUST_OWNER_ROWS, /* no SQL, and so nothing that looks up a name; or in a worker, which has the settings */
	TRUUST_OWNER_QUERIES, /* search_path is pg_catalog, pg_temp, and plans are made by index */
	TRUUST_OWNER_INSERTS  /* the former only: somebody's trigger may be on the table */
} TruustOwnerWork;

/*
 * Become the owner of the extension's tables for work of the extension's own.
 * Raises 42704 if the extension is gone.
 */
extern void truust_owner_enter(TruustRoleState *state, TruustOwnerWork work);
extern void truust_owner_leave(TruustRoleState *state);

/* Plan as the extension's own statements are: until the GUC nest level ends, or (a worker) for ever. */
extern void truust_owner_plans(bool for_ever);

/* Check deferrable constraints at once, from here to the end of the (sub)transaction. */
extern void truust_constraints_at_once(void);

/*
 * Raises what keeps a worker from calling a function as the current user: 42501
 * without EXECUTE, 42P13 for a temporary one, which only this session sees.
 */
extern void truust_role_check_function(Oid function);

/*
 * Become a role for a user's code: its rights, a security-restricted context,
 * the search_path given (pg_temp last unless it is in it), the server that its calls
 * go to (NULL: as it is), truust.handler_timeout and truust.handler_lock_timeout; and back.  Deferred constraints are checked at
 * once from here to the end of the (sub)transaction, which must be a worker's.
 * Raises 42704 if the role is gone; name is what it was called.
 */
extern void truust_role_enter(TruustRoleState *state, Oid role, const char *name,
							  const char *search_path, const char *server);
extern void truust_role_leave(TruustRoleState *state);

/* The same role's code goes on with what another server (NULL: any) is about. */
extern void truust_role_serve(const char *server);

/* Start truust.handler_timeout anew: another piece of the same role's code follows. */
extern void truust_role_restart_clock(void);

/*
 * Whether the error being handled is the clock's; forgets it.  Who catches an error of
 * a role's code calls this, so that the clock never outlives it.
 */
extern bool truust_role_timed_out(void);

#endif /* TRUUST_OWNER_H */
