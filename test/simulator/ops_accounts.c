/*
 * ops_accounts.c
 *		The operations on the account itself, on subscriptions, verifications and bundles.
 */
#include "sim.h"

#include <stdio.h>
#include <string.h>

/* ---------------------------------------------------------------- account */

/* The account that every key is of, and its wallet, where the store has none yet. */
void
accounts_seed(void)
{
	Row *account;
	Row *wallet;

	if (tables[K_ACCOUNT].nrows > 0)
		return;
	account = row_create(K_ACCOUNT);
	row_set(account, F_self, "\"/2.0/accounts/me\"");
	row_set_string(account, F_merchant_id, "M1");
	row_set_string(account, F_name, "Simulated account");
	row_set_string(account, F_email, "account@example.test");
	row_set_string(account, F_currency, "EUR");
	row_set_string(account, F_country_code, "ES");
	row_set_string(account, F_public_key, "pk_stage_simulated");
	row_set_string(account, F_secret_key, "sk_stage_simulated");
	row_set(account, F_is_active, "true");
	wallet = row_create(K_WALLET);
	row_set_string(wallet, F_currency, "EUR");
	row_set(wallet, F_balance, "0.00");
	store_commit();
}

static void
create_account(Exchange *x)
{
	Row *account = row_create(K_ACCOUNT);
	char text[40];

	apply_body(x, account);
	row_set(account, F_password, NULL);
	row_set_string(account, F_currency, "EUR");
	snprintf(text, sizeof(text), "M%lld", (long long) account->id);
	row_set_string(account, F_merchant_id, text);
	snprintf(text, sizeof(text), "pk_stage_simulated%lld", (long long) account->id);
	row_set_string(account, F_public_key, text);
	snprintf(text, sizeof(text), "sk_stage_simulated%lld", (long long) account->id);
	row_set_string(account, F_secret_key, text);
	row_set(account, F_is_active, "true");
	reply_row(x, account);
}

static void
get_account(Exchange *x)
{
	reply_row(x, tables[K_ACCOUNT].rows[0]);
}

static void
update_account(Exchange *x)
{
	Row *account = tables[K_ACCOUNT].rows[0];

	apply_body(x, account);
	if (body_string(x, "image") != NULL)
		row_set_string(account, F_image_url, body_string(x, "image"));
	reply_row(x, account);
}

/* What is said of the account stays inside: its answer has no field for it. */
static void
verify_account(Exchange *x)
{
	update_account(x);
}

/* ---------------------------------------------------------------- subscriptions */

static void
list_subscriptions(Exchange *x)
{
	list_pages(x, K_SUBSCRIPTION, NULL, NULL);
}

static void
create_subscription(Exchange *x)
{
	Row *subscription = row_create(K_SUBSCRIPTION);
	char reference[32];

	apply_body(x, subscription);
	row_set(subscription, F_amount, row_text(subscription, F_value));
	row_set_string(subscription, F_currency, "EUR");
	row_set_string(subscription, F_status, "CREATED");
	snprintf(reference, sizeof(reference), "S%lld", (long long) subscription->id);
	row_set_string(subscription, F_reference_id, reference);
	reply_row(x, subscription);
}

static void
get_subscription(Exchange *x)
{
	Row *subscription = path_row(x, K_SUBSCRIPTION, 0);

	if (subscription != NULL)
		reply_row(x, subscription);
}

static void
cancel_subscription(Exchange *x)
{
	Row *subscription = path_row(x, K_SUBSCRIPTION, 0);

	if (subscription == NULL)
		return;
	if (!row_is(subscription, F_status, "CREATED") && !row_is(subscription, F_status, "ACTIVE"))
	{
		refuse(x, "status", "The subscription is over.");
		reply_refused(x, 422);
		return;
	}
	row_set_string(subscription, F_status, "CANCELLED");
	row_set_now(subscription, F_cancelled_at);
	reply_row(x, subscription);
}

/* ---------------------------------------------------------------- verifications */

/* Requests and answers have different words for the type. */
void
apply_verification(Exchange *x, Row *verification)
{
	const char *type = body_string(x, "type");

	apply_body(x, verification);
	row_set_string(verification, F_type,
				   strcmp(type, "NATURAL") == 0		 ? "INDIVIDUAL"
				   : strcmp(type, "SOLETRADER") == 0 ? "SELFEMPLOYEE"
													 : type);
	if (row_text(verification, F_status) == NULL)
		row_set_string(verification, F_status, "CREATED");
}

static void
list_verifications(Exchange *x)
{
	list_pages(x, K_VERIFICATION, NULL, NULL);
}

static void
get_verification(Exchange *x)
{
	Row *verification = path_row(x, K_VERIFICATION, 0);

	if (verification != NULL)
		reply_row(x, verification);
}

static void
submit_verification(Exchange *x)
{
	Row *verification = path_row(x, K_VERIFICATION, 0);

	if (verification == NULL)
		return;
	apply_verification(x, verification);
	reply_row(x, verification);
}

static void
request_verification(Exchange *x)
{
	Row *verification = path_row(x, K_VERIFICATION, 0);

	if (verification == NULL)
		return;
	if (!row_is(verification, F_status, "CREATED") && !row_is(verification, F_status, "REFUSED"))
	{
		refuse(x, "status", "The verification has been requested already.");
		reply_refused(x, 422);
		return;
	}
	row_set_string(verification, F_status, "PENDING");
	reply_row(x, verification);
}

static bool
of_verification(const Row *row, const void *verification)
{
	return row_int(row, F_verification_id) == ((const Row *) verification)->id;
}

static void
list_verification_documents(Exchange *x)
{
	Row *verification = path_row(x, K_VERIFICATION, 0);

	if (verification != NULL)
		list_all(x, K_DOCUMENT, of_verification, verification);
}

/* Of the content, which may be large, only the length is kept. */
static void
apply_document(Exchange *x, Row *document)
{
	Buf link = {0};

	row_set_string(document, F_type, body_string(x, "type"));
	row_set_int(document, F_content, (int64_t) body_member(x, "content")->len);
	row_set_string(document, F_status, "CREATED");
	render_link(&link, "document", document);
	row_set(document, F_url, link.data);
	buf_free(&link);
	reply_row(x, document);
}

static void
upload_verification_document(Exchange *x)
{
	Row *verification = path_row(x, K_VERIFICATION, 0);
	Row *document;

	if (verification == NULL)
		return;
	document = row_create(K_DOCUMENT);
	row_set_int(document, F_verification_id, verification->id);
	apply_document(x, document);
}

static Row *
verification_document(Exchange *x)
{
	Row *verification = path_row(x, K_VERIFICATION, 0);
	Row *document = verification != NULL ? path_row(x, K_DOCUMENT, 1) : NULL;

	if (document == NULL || of_verification(document, verification))
		return document;
	reply_missing(x, "document");
	return NULL;
}

static void
get_verification_document(Exchange *x)
{
	Row *document = verification_document(x);

	if (document != NULL)
		reply_row(x, document);
}

static void
update_verification_document(Exchange *x)
{
	Row *document = verification_document(x);

	if (document != NULL)
		apply_document(x, document);
}

/* ---------------------------------------------------------------- bundles */

static void
list_bundles(Exchange *x)
{
	list_pages(x, K_BUNDLE, NULL, NULL);
}

/* Has the time of its expiration passed? Both are written in the same way, to the second at least. */
static bool
is_expired(const Row *bundle, const void *now)
{
	const char *expiration = row_text(bundle, F_expiration);

	return expiration != NULL && strncmp(expiration + 1, now, 19) < 0;
}

static void
set_expired(Row *bundle)
{
	Buf now = {0};

	buf_time(&now, now_us());
	row_set(bundle, F_is_expired, is_expired(bundle, now.data) ? "true" : "false");
	buf_free(&now);
}

static void
list_expired_bundles(Exchange *x)
{
	Buf now = {0};

	buf_time(&now, now_us());
	list_pages(x, K_BUNDLE, is_expired, now.data);
	buf_free(&now);
}

static void
create_bundle(Exchange *x)
{
	Row *bundle = row_create(K_BUNDLE);

	row_set(bundle, F_value, "0.00");
	row_set(bundle, F_is_active, "true");
	row_set_string(bundle, F_currency, "EUR");
	row_set(bundle, F_visits, "0");
	apply_body(x, bundle);
	set_expired(bundle);
	row_set_now(bundle, F_updated_at);
	reply_row(x, bundle);
}

static void
get_bundle(Exchange *x)
{
	Row *bundle = path_row(x, K_BUNDLE, 0);

	if (bundle != NULL)
		reply_row(x, bundle);
}

static void
update_bundle(Exchange *x)
{
	Row *bundle = path_row(x, K_BUNDLE, 0);

	if (bundle == NULL)
		return;
	apply_body(x, bundle);
	set_expired(bundle);
	row_set_now(bundle, F_updated_at);
	reply_row(x, bundle);
}

static bool
of_bundle(const Row *row, const void *bundle)
{
	return row_int(row, F_bundle) == ((const Row *) bundle)->id;
}

static void
list_bundle_orders(Exchange *x)
{
	Row *bundle = path_row(x, K_BUNDLE, 0);

	if (bundle != NULL)
		list_pages(x, K_ORDER, of_bundle, bundle);
}

const OperationEntry account_operations[] = {
	{"createAccount", create_account},
	{"getAccount", get_account},
	{"updateAccount", update_account},
	{"verifyAccount", verify_account},
	{"listSubscriptions", list_subscriptions},
	{"createSubscription", create_subscription},
	{"getSubscription", get_subscription},
	{"cancelSubscription", cancel_subscription},
	{"listVerifications", list_verifications},
	{"getVerification", get_verification},
	{"submitVerification", submit_verification},
	{"requestVerification", request_verification},
	{"listVerificationDocuments", list_verification_documents},
	{"uploadVerificationDocument", upload_verification_document},
	{"getVerificationDocument", get_verification_document},
	{"updateVerificationDocument", update_verification_document},
	{"listBundles", list_bundles},
	{"createBundle", create_bundle},
	{"listExpiredBundles", list_expired_bundles},
	{"getBundle", get_bundle},
	{"updateBundle", update_bundle},
	{"listBundleOrders", list_bundle_orders},
	{NULL, NULL},
};
