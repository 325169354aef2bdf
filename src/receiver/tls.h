/*
 * tls.h - the receiver's own certificate, replaceable while it runs.
 */
#ifndef RECEIVER_TLS_H
#define RECEIVER_TLS_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>

/* What is spoken, in GnuTLS's words. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/*
 * Read certificate chain and key (PEM) and use them for connections from now
 * on.  If they cannot be read or do not belong together, the former ones stay
 * and the reason is logged.  Call from one thread only.
 */
extern bool tls_load(const char *cert_file, const char *key_file);

/* For MHD_OPTION_HTTPS_CERT_CALLBACK. */
extern int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *ca_names, int n_ca_names,
						const gnutls_pk_algorithm_t *algorithms, int n_algorithms,
						gnutls_pcert_st **chain, unsigned int *chain_length, gnutls_privkey_t *key);

/* After the last connection. */
extern void tls_free(void);

#endif
