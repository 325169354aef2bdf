/*
 * ops_customers.c
 *		The operations on customers and on what belongs to one: addresses, cards, verifications.
 */
#include "sim.h"

#include <string.h>

static void
list_customers(Exchange *x)
{
	list_pages(x, K_CUSTOMER, NULL, NULL);
}

static bool
take_first(Row *row, void *arg)
{
	*(Row **) arg = row;
	return false;
}

/* Who has that email or phone already? */
static Row *
known_customer(const Exchange *x, const char *name)
{
	const Json *value = body_member(x, name);
	Row		   *found = NULL;
	Buf			fragment = {0};

	if (value == NULL || value->len == 0)
		return NULL;
	json_write(&fragment, value);
	store_find(K_CUSTOMER, kind_slot(&kinds[K_CUSTOMER], name), fragment.data, take_first, &found);
	buf_free(&fragment);
	return found;
}

static void
create_customer(Exchange *x)
{
	Row *customer = known_customer(x, "email");

	if (customer == NULL)
		customer = known_customer(x, "phone");
	if (customer == NULL)
		customer = row_create(K_CUSTOMER);
	apply_body(x, customer);
	reply_row(x, customer);
}

static void
get_customer(Exchange *x)
{
	Row *customer = path_row(x, K_CUSTOMER, 0);

	if (customer != NULL)
		reply_row(x, customer);
}

static void
update_customer(Exchange *x)
{
	Row *customer = path_row(x, K_CUSTOMER, 0);

	if (customer == NULL)
		return;
	apply_body(x, customer);
	reply_row(x, customer);
}

/* ---------------------------------------------------------------- what belongs to a customer */

static bool
of_customer(const Row *row, const void *customer)
{
	return row_int(row, F_customer_id) == ((const Row *) customer)->id;
}

static bool
of_buyer(const Row *row, const void *customer)
{
	return row_int(row, F_buyer_id) == ((const Row *) customer)->id;
}

static void
list_of_customer(Exchange *x, KindId kind, RowFilter filter)
{
	Row *customer = path_row(x, K_CUSTOMER, 0);

	if (customer != NULL)
		list_all(x, kind, filter, customer);
}

static void
list_customer_wallets(Exchange *x)
{
	list_of_customer(x, K_WALLET, of_customer);
}

static void
list_customer_cards(Exchange *x)
{
	list_of_customer(x, K_CARD, of_customer);
}

static void
list_customer_bank_accounts(Exchange *x)
{
	list_of_customer(x, K_BANKACCOUNT, of_customer);
}

static void
list_customer_addresses(Exchange *x)
{
	list_of_customer(x, K_ADDRESS, of_customer);
}

static void
list_customer_subscriptions(Exchange *x)
{
	list_of_customer(x, K_SUBSCRIPTION, of_buyer);
}

/* ---------------------------------------------------------------- addresses and cards */

static void
create_customer_address(Exchange *x)
{
	Row *customer = path_row(x, K_CUSTOMER, 0);
	Row *address;

	if (customer == NULL)
		return;
	address = row_create(K_ADDRESS);
	row_set_int(address, F_customer_id, customer->id);
	apply_body(x, address);
	reply_row(x, address);
}

/* The address that the path names, if it is that customer's; else NULL, and answered. */
static Row *
customer_address(Exchange *x)
{
	Row *customer = path_row(x, K_CUSTOMER, 0);
	Row *address = customer != NULL ? path_row(x, K_ADDRESS, 1) : NULL;

	if (address == NULL || of_customer(address, customer))
		return address;
	reply_missing(x, "address");
	return NULL;
}

static void
get_customer_address(Exchange *x)
{
	Row *address = customer_address(x);

	if (address != NULL)
		reply_row(x, address);
}

static void
update_customer_address(Exchange *x)
{
	Row *address = customer_address(x);

	if (address == NULL)
		return;
	apply_body(x, address);
	reply_row(x, address);
}

static void
create_card(Exchange *x)
{
	Row *customer = path_row(x, K_CUSTOMER, 0);
	Row *card;
	Buf	 link = {0};

	if (customer == NULL)
		return;
	card = row_create(K_CARD);
	row_set_int(card, F_customer_id, customer->id);
	row_set_string(card, F_type, "VISA");
	row_set(card, F_cardholder, row_text(customer, F_name));
	row_set(card, F_confirmed, "false");
	render_link(&link, "card", card);
	row_set(card, F_tokenization_link, link.data);
	buf_free(&link);
	reply_row(x, card);
}

/* ---------------------------------------------------------------- verification */

static Row *
customer_verification(const Row *customer)
{
	for (int i = tables[K_VERIFICATION].nrows - 1; i >= 0; i--)
		if (of_customer(tables[K_VERIFICATION].rows[i], customer))
			return tables[K_VERIFICATION].rows[i];
	return NULL;
}

static void
create_customer_verification(Exchange *x)
{
	Row *customer = path_row(x, K_CUSTOMER, 0);
	Row *verification;

	if (customer == NULL)
		return;
	verification = customer_verification(customer);
	if (verification == NULL)
		verification = row_create(K_VERIFICATION);
	row_set_int(verification, F_customer_id, customer->id);
	apply_verification(x, verification);
	reply_row(x, verification);
}

static void
get_customer_verification(Exchange *x)
{
	Row *customer = path_row(x, K_CUSTOMER, 0);
	Row *verification = customer != NULL ? customer_verification(customer) : NULL;

	if (verification != NULL)
		reply_row(x, verification);
	else if (customer != NULL)
		reply_missing(x, "verification");
}

const OperationEntry customer_operations[] = {
	{"listCustomers", list_customers},
	{"createCustomer", create_customer},
	{"getCustomer", get_customer},
	{"updateCustomer", update_customer},
	{"listCustomerWallets", list_customer_wallets},
	{"listCustomerCards", list_customer_cards},
	{"listCustomerBankAccounts", list_customer_bank_accounts},
	{"listCustomerAddresses", list_customer_addresses},
	{"createCustomerAddress", create_customer_address},
	{"getCustomerAddress", get_customer_address},
	{"updateCustomerAddress", update_customer_address},
	{"createCustomerVerification", create_customer_verification},
	{"getCustomerVerification", get_customer_verification},
	{"listCustomerSubscriptions", list_customer_subscriptions},
	{"createCard", create_card},
	{NULL, NULL},
};
