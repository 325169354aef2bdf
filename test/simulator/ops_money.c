/*
 * ops_money.c
 *		The operations on wallets, bank accounts and cards, and the exchange rates.
 */
#include "sim.h"

#include <string.h>

/* ---------------------------------------------------------------- wallets */

static void
get_wallet(Exchange *x)
{
	Row *wallet = path_row(x, K_WALLET, 0);

	if (wallet != NULL)
		reply_row(x, wallet);
}

static void
update_wallet(Exchange *x)
{
	Row *wallet = path_row(x, K_WALLET, 0);

	if (wallet == NULL)
		return;
	apply_body(x, wallet);
	reply_row(x, wallet);
}

static void
list_wallets(Exchange *x)
{
	list_all(x, K_WALLET, NULL, NULL);
}

static void
create_wallet(Exchange *x)
{
	Row *wallet = row_create(K_WALLET);

	row_set(wallet, F_balance, "0.00");
	apply_body(x, wallet);
	reply_row(x, wallet);
}

static bool
of_wallet(const Row *row, const void *wallet)
{
	return row_int(row, F_wallet_id) == ((const Row *) wallet)->id;
}

static void
list_wallet_transactions(Exchange *x)
{
	Row *wallet = path_row(x, K_WALLET, 0);

	if (wallet != NULL)
		list_all(x, K_TRANSACTION, of_wallet, wallet);
}

/* The account's own wallet in that currency: one that is no customer's. */
static void
get_account_fees(Exchange *x)
{
	const char *currency = x->npath_args > 0 ? x->path_args[0] : "EUR";

	for (int i = 0; i < tables[K_WALLET].nrows; i++)
	{
		Row *wallet = tables[K_WALLET].rows[i];

		if (row_text(wallet, F_customer_id) != NULL || !row_is(wallet, F_currency, currency))
			continue;
		reply_row(x, wallet);
		return;
	}
	reply_missing(x, "wallet");
}

/* ---------------------------------------------------------------- bank accounts */

static void
create_bank_account(Exchange *x)
{
	Row *account = row_create(K_BANKACCOUNT);

	apply_body(x, account);
	reply_row(x, account);
}

static void
get_bank_account(Exchange *x)
{
	Row *account = path_row(x, K_BANKACCOUNT, 0);

	if (account != NULL)
		reply_row(x, account);
}

/* Answers with an object made of the query's own arguments and what follows them. */
static void
reply_args(Exchange *x, const char *more)
{
	buf_adds(&x->out, settings.envelope ? "{\"data\":{" : "{");
	for (const Arg *arg = x->args; arg != NULL; arg = arg->next)
	{
		buf_json(&x->out, arg->name, strlen(arg->name));
		buf_addc(&x->out, ':');
		buf_json(&x->out, arg->value, strlen(arg->value));
		buf_addc(&x->out, ',');
	}
	buf_adds(&x->out, more);
	buf_adds(&x->out, settings.envelope ? "}}" : "}");
	reply_raw(x, 200);
}

static void
get_bank_account_validation(Exchange *x)
{
	reply_args(
		x,
		"\"required\":[\"name\",\"number\"],\"rules\":{\"name\":\"max:255\",\"bic\":\"max:11\"}");
}

static void
get_forex_rates(Exchange *x)
{
	reply_args(x, "\"rate\":1.0850");
}

/* ---------------------------------------------------------------- cards */

static void
get_card(Exchange *x)
{
	Row *card = path_row(x, K_CARD, 0);

	if (card != NULL)
		reply_row(x, card);
}

/* The API describes no body for this answer. */
static void
delete_card(Exchange *x)
{
	Row *card = path_row(x, K_CARD, 0);

	if (card == NULL)
		return;
	row_delete(card);
	reply_raw(x, 200);
}

const OperationEntry money_operations[] = {
	{"getWallet", get_wallet},
	{"updateWallet", update_wallet},
	{"listWallets", list_wallets},
	{"createWallet", create_wallet},
	{"listWalletTransactions", list_wallet_transactions},
	{"getAccountFees", get_account_fees},
	{"createBankAccount", create_bank_account},
	{"getBankAccount", get_bank_account},
	{"getBankAccountValidation", get_bank_account_validation},
	{"getCard", get_card},
	{"deleteCard", delete_card},
	{"getForexRates", get_forex_rates},
	{NULL, NULL},
};
