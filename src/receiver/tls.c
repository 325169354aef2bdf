/*
 * tls.c - see tls.h.
 *
 * GnuTLS asks for the certificate at each handshake, so that a new one applies
 * from the next connection on and nobody is refused meanwhile.  A handshake may
 * still hold the former one: it is freed at a reload long after.
 */
#include "tls.h"
#include "clock.h"
#include "log.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#define CHAIN_MAX 16
#define KEEP_FORMER_US INT64_C(600000000) /* far beyond any handshake */

typedef struct Identity
{
	struct Identity *former;
	int64_t			 retired_at; /* monotonic microseconds */
	gnutls_pcert_st	 chain[CHAIN_MAX];
	unsigned int	 chain_length;
	gnutls_privkey_t key;
} Identity;

static _Atomic(Identity *) current;

static void
free_identity(Identity *identity)
{
	for (unsigned int i = 0; i < identity->chain_length; i++)
		gnutls_pcert_deinit(&identity->chain[i]);
	if (identity->key != NULL)
		gnutls_privkey_deinit(identity->key);
	free(identity);
}

/* Do certificate and key belong together? */
static int
check_pair(const gnutls_datum_t *cert, const gnutls_datum_t *key)
{
	gnutls_certificate_credentials_t credentials;
	int								 code = gnutls_certificate_allocate_credentials(&credentials);

	if (code < 0)
		return code;
	code = gnutls_certificate_set_x509_key_mem(credentials, cert, key, GNUTLS_X509_FMT_PEM);
	gnutls_certificate_free_credentials(credentials);
	return code;
}

static int
import_identity(Identity *identity, const gnutls_datum_t *cert, const gnutls_datum_t *key)
{
	int code = check_pair(cert, key);

	if (code < 0)
		return code;
	identity->chain_length = CHAIN_MAX;
	code = gnutls_pcert_list_import_x509_raw(identity->chain, &identity->chain_length, cert,
											 GNUTLS_X509_FMT_PEM, 0);
	if (code < 0)
	{
		identity->chain_length = 0;
		return code;
	}
	code = gnutls_privkey_init(&identity->key);
	if (code < 0)
		return code;
	return gnutls_privkey_import_x509_raw(identity->key, key, GNUTLS_X509_FMT_PEM, NULL, 0);
}

/* Make it the one in use; free those that nobody can be using any more. */
static void
install(Identity *identity)
{
	int64_t	  now = clock_monotonic_us();
	Identity *former = atomic_load(&current);

	if (former != NULL)
		former->retired_at = now;
	identity->former = former;
	atomic_store(&current, identity);
	for (Identity *at = identity; at->former != NULL;)
	{
		Identity *old = at->former;

		if (now - old->retired_at < KEEP_FORMER_US)
		{
			at = old;
			continue;
		}
		at->former = old->former;
		free_identity(old);
	}
}

bool
tls_load(const char *cert_file, const char *key_file)
{
	gnutls_datum_t cert = {NULL, 0};
	gnutls_datum_t key = {NULL, 0};
	Identity	  *identity = calloc(1, sizeof(*identity));
	int			   code = GNUTLS_E_MEMORY_ERROR;

	if (identity != NULL)
		code = gnutls_load_file(cert_file, &cert);
	if (code >= 0)
		code = gnutls_load_file(key_file, &key);
	if (code >= 0)
		code = import_identity(identity, &cert, &key);
	if (key.data != NULL)
		gnutls_memset(key.data, 0, key.size);
	gnutls_free(key.data);
	gnutls_free(cert.data);
	if (code >= 0)
	{
		install(identity);
		log_info("certificate \"%s\" is in use", cert_file);
		return true;
	}
	log_error("cannot use certificate \"%s\" with key \"%s\": %s", cert_file, key_file,
			  gnutls_strerror(code));
	if (identity != NULL)
		free_identity(identity);
	return false;
}

int
tls_retrieve(gnutls_session_t session, const gnutls_datum_t *ca_names, int n_ca_names,
			 const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **chain,
			 unsigned int *chain_length, gnutls_privkey_t *key)
{
	Identity *identity = atomic_load(&current);

	(void) session;
	(void) ca_names;
	(void) n_ca_names;
	(void) algorithms;
	(void) n_algorithms;
	*chain = identity->chain;
	*chain_length = identity->chain_length;
	*key = identity->key;
	return 0;
}

void
tls_free(void)
{
	Identity *identity = atomic_exchange(&current, NULL);

	while (identity != NULL)
	{
		Identity *former = identity->former;

		free_identity(identity);
		identity = former;
	}
}
