/*-------------------------------------------------------------------------
 *
 * endpoint.h
 *		The API's operations: one row each, and how to find them.
 *
 * A row (endpointlist.h) says how an operation is called and how it may be
 * repeated.  Its parameters and result stand in the SQL declaration of its
 * function and nowhere else; truust_endpoint_signature() reads them from the
 * catalog.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_ENDPOINT_H
#define TRUUST_ENDPOINT_H

/*
 * What may be done when it is unknown whether a request was executed.
 */
typedef enum TruustRepeat
{
	TRUUST_SAFE,	 /* changes nothing: repeat at will, even in a session */
	TRUUST_HARMLESS, /* a second time leaves things as the first did: the worker repeats it */
	TRUUST_FINDABLE, /* look at Truust first (see TruustLookup), then repeat if it is not there */
	TRUUST_UNCERTAIN /* no way to tell: a person decides */
} TruustRepeat;

/*
 * How to look whether a request took effect.
 */
typedef enum TruustLookup
{
	TRUUST_LOOKUP_NONE,
	TRUUST_LOOKUP_ORDER_MARKER,		   /* list orders by tag, compare the marker in metadata */
	TRUUST_LOOKUP_BUNDLE_MARKER,	   /* list bundles, compare the marker */
	TRUUST_LOOKUP_WALLET_MARKER,	   /* list wallets, compare the marker */
	TRUUST_LOOKUP_ADDRESS_MARKER,	   /* list the customer's addresses, compare the marker */
	TRUUST_LOOKUP_BANK_MARKER,		   /* list the customer's bank accounts, compare the marker */
	TRUUST_LOOKUP_SUBSCRIPTION_MARKER, /* list subscriptions, compare the marker */
	TRUUST_LOOKUP_ORDER_STATUS,	 /* get the order: is it at, or past, what the request asks for */
	TRUUST_LOOKUP_ORDER_PAYIN,	 /* get the order's payin */
	TRUUST_LOOKUP_ORDER_PAYOUT,	 /* get the order's payout */
	TRUUST_LOOKUP_REFUND_MARKER, /* list refunds, compare the marker */
	TRUUST_LOOKUP_PAYIN_STATUS,	 /* get the payin: is it cancelled */
	TRUUST_LOOKUP_SUBSCRIPTION_STATUS, /* get the subscription: is it cancelled */
	TRUUST_LOOKUP_VERIFICATION_STATUS, /* get the verification: has its review been asked for */
	TRUUST_LOOKUP_CARD_GONE			   /* get the card: is it gone */
} TruustLookup;

typedef struct TruustEndpoint
{
	const char	*operation; /* createOrder: the API's operationId */
	const char	*name;		/* create_order: the SQL function without truust_ */
	const char	*method;
	const char	*path;			/* below the version path: /orders/{order_id} */
	bool		 authenticated; /* whether a key is sent */
	TruustRepeat repeat;
	TruustLookup lookup;
	const char	*why;		  /* the reason for repeat and lookup, one sentence */
	const char	*lookup_name; /* TRUUST_LOOKUP_..., for people */
} TruustEndpoint;

extern const TruustEndpoint truust_endpoints[];
extern const int			truust_n_endpoints;

/* The row of a SQL function's name without truust_, or NULL. */
extern const TruustEndpoint *truust_endpoint_find(const char *name);

/* Where a parameter goes. */
typedef enum TruustPlace
{
	TRUUST_IN_PATH,
	TRUUST_IN_QUERY,
	TRUUST_IN_BODY,
	TRUUST_IN_EXTRA, /* the object merged into the body */
	TRUUST_IN_CLIENT /* for the extension itself: max_rows */
} TruustPlace;

typedef struct TruustParameter
{
	char	   *name;	   /* as in SQL */
	char	   *wire_name; /* as the API spells it */
	Oid			type;
	TruustPlace place;
	bool		required;		/* no DEFAULT in SQL */
	bool		flag_as_number; /* boolean that the API writes 0/1 */
} TruustParameter;

/* What an operation returns, where the tables want to know. */
typedef enum TruustResource
{
	TRUUST_A_RESOURCE,
	TRUUST_AN_ORDER,
	TRUUST_A_PAYIN,
	TRUUST_A_PAYOUT
} TruustResource;

typedef struct TruustSignature
{
	const TruustEndpoint *endpoint;
	Oid					  function;
	Oid					  result_type; /* composite, jsonb or void */
	TruustResource		  resource;
	bool				  returns_set;
	bool				  is_write; /* method other than GET */
	const char *const *identity; /* a resource has one of these fields; NULL: it is no composite */
	int				   n_parameters;
	TruustParameter	  *parameters;
	int				   resource_id; /* the parameter that names the resource itself, -1: none */
	int				   order_id;	/* the parameter of that name, -1: none */
} TruustSignature;

/*
 * The signature of an endpoint's function, from the catalog, cached for the
 * backend's life until the function changes.  Must be called in a
 * transaction.  Raises 42883 if the function is gone.
 */
extern const TruustSignature *truust_endpoint_signature(const TruustEndpoint *endpoint);

/* The same for a function's own OID (the shared SQL entry point). */
extern const TruustSignature *truust_endpoint_signature_of(Oid function);

/* The place of a parameter, -1: there is none of this name. */
extern int truust_endpoint_parameter(const TruustSignature *signature, const char *name);

/* OID of the schema that holds the extension's functions and types. */
extern Oid truust_extension_schema(void);

#endif /* TRUUST_ENDPOINT_H */
