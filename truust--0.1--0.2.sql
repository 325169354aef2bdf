\echo Use "ALTER EXTENSION truust UPDATE TO '0.2'" to load this file. \quit

-- What 0.2 has and 0.1 has not. test/t/050_upgrade.pl compares the outcome with a new installation, object by object.

COMMENT ON FUNCTION truust_attach(regclass, jsonb, name, name, name) IS 'From now on each row inserted into a table becomes an order. args: parameters of create_order, each with the column that it is taken from; order_id, status, link: columns that the order''s id, its status (kept current by webhooks) and the buyer''s link are written to. A row inserted with an order id is left alone; one that moves to another partition before it has an order counts as a new one. Requests are sent with the caller''s key, and the table is written with the caller''s rights. The table needs a primary key. Raises 42703 for a column that is not there, 42804 for one whose type does not fit, 42710 if the table is attached already.';

-- What calls may fail with, and what their amounts are measured in.
COMMENT ON FUNCTION truust_create_account IS 'Opens a merchant account together with the person who manages it. It is the only call that sends no key, though a user mapping must exist. The answer holds the keys of the new account: keep it out of logs.
- name: name of the business; no other account has it; at most 255 characters
- slug: the same name in lower case with underscores: My Shop is my_shop
- country_code: country, two letters (ISO 3166-1)
- email: e-mail address of the manager (at most 255 characters)
- password: password of the manager, 8 characters or more of all kinds; it passes through SQL, so mind what your server logs; at most 255 characters
- image: logo, as a URL or in base64
- locale: language of messages, as es or en
- business_url: web address
- product_description: what is sold
- fee_percent: fee on each order in percent, the platform''s included
- fee_amount: fee on each order in units of the currency, the platform''s included
- fee_platform_percent: the platform''s part of the fee in percent
- fee_platform_amount: the platform''s part of the fee in units of the currency
- fee_credit: fee on credit, the platform''s included; whether in percent or in units of the currency, the API does not say
- fee_shipping_1: price of shipping a small parcel, in units of the currency
- fee_shipping_2: the same for a medium one, in units of the currency
- fee_shipping_3: the same for a large one, in units of the currency
- default_parcel_size: size of a parcel where nothing else is said
- default_fee: fee where nothing else is said, in units of the currency
- default_gateway: gateway of payments where nothing else is said; gateways are named ADDON, BANKWIRE, REDSYS_V2, STRIPE, BIZUM and the like
- allowed_gateways: gateways that are allowed besides
- template_folder: folder of the templates of the payment page
- custom_domain: domain of your own for the payment page
- allow_insurance: whether orders can be insured
- allow_shipping: whether orders can be shipped
- allow_select_parcel: whether the seller chooses the size of the parcel
- allow_receipt: whether the buyer gets a receipt
- allow_receipt_self: whether the account gets one too
- billing_address: street and number for invoices
- billing_address_line_2: second line of it
- billing_city: city
- billing_state: state or province
- billing_zip: postal code
- billing_country: country, two letters
- vat_id: tax number
- extra_billing_information: anything else for invoices
- legal_address: registered street and number
- legal_address_line_2: second line of it
- legal_city: city
- legal_state: state or province
- legal_zip: postal code
- legal_country: country, two letters
- representative_name: full name of who acts for the company
- representative_phone: their telephone
- representative_email: their e-mail address
- twitter_token: access to Twitter, for sharing orders
- twitter_secret: the same
- facebook_id: access to Facebook, for sharing orders
- facebook_token: the same
- parent_id: id of the account that this one belongs to
- addon_key: access to the payment gateway
- addon_secret: the same
- addon_account: the same
- addon_rebate: the same
- psd2_enabled: whether payments go by PSD2
- receipt_subject: subject of the receipt (some plans only)
- receipt_message: text of the receipt (some plans only)
- payment_success_message: text that a buyer sees after paying (some plans only)
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value.
API: createAccount, POST /accounts';

COMMENT ON FUNCTION truust_get_account IS 'The account that the key belongs to. Among its fields are its keys: select what you need rather than all.

Errors: 28000 where the key is not valid.
API: getAccount, GET /accounts/me';

COMMENT ON FUNCTION truust_get_account_fees IS 'The account''s wallet in one currency: its balance and what it holds of fees.
- currency: currency, three letters (ISO 4217); NULL for the account''s own

Errors: P0002 or 22023 where the API does not know the currency.
API: getAccountFees, GET /accounts/fees/{currency}';

COMMENT ON FUNCTION truust_list_customers IS 'Customers of the account: buyers and sellers alike.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- search: the field to look in: email, tag, ...
- query: what to look for; in all that the API searches where search is NULL
- date_begin: nothing from before this day
- date_end: nothing from after this day
- order_by: the field to sort by; NULL for created_at
- sort: asc or desc; NULL for desc, the newest first
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: 22023 where the API does not take a filter, a page or an order.
API: listCustomers, GET /customers';

COMMENT ON FUNCTION truust_list_customer_wallets IS 'Wallets of a customer.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: P0002 where there is no such customer.
API: listCustomerWallets, GET /customers/{customer_uuid}/wallets';

COMMENT ON FUNCTION truust_list_customer_cards IS 'Saved cards of a customer.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: P0002 where there is no such customer.
API: listCustomerCards, GET /customers/{customer_uuid}/cards';

COMMENT ON FUNCTION truust_list_customer_bank_accounts IS 'Bank accounts of a customer; their numbers are masked.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: P0002 where there is no such customer.
API: listCustomerBankAccounts, GET /customers/{customer_uuid}/bankaccounts';

COMMENT ON FUNCTION truust_list_customer_addresses IS 'Postal addresses of a customer.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: P0002 where there is no such customer.
API: listCustomerAddresses, GET /customers/{customer_uuid}/addresses';

COMMENT ON FUNCTION truust_get_customer_address IS 'One postal address of a customer.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- address_uuid: uuid of the address

Errors: P0002 where there is no such customer or address.
API: getCustomerAddress, GET /customers/{customer_uuid}/addresses/{address_uuid}';

COMMENT ON FUNCTION truust_update_customer_address IS 'Sets the metadata of an address; nothing else of an address can change.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- address_uuid: uuid of the address
- metadata: JSON object of your own, in place of the one before
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such customer or address; 22023 where the API does not take a value.
API: updateCustomerAddress, PUT /customers/{customer_uuid}/addresses/{address_uuid}';

COMMENT ON FUNCTION truust_list_customer_subscriptions IS 'Subscriptions of a customer.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: P0002 where there is no such customer.
API: listCustomerSubscriptions, GET /customers/{customer_uuid}/subscriptions';

COMMENT ON FUNCTION truust_list_orders IS 'Orders of the account. Where the table truust.orders will do, it is faster.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- search: the field to look in, such as email or tag
- query: what to look for; in all that the API searches where search is NULL
- date_begin: nothing from before this day
- date_end: nothing from after this day
- order_by: the field to sort by; NULL for created_at
- sort: asc or desc; NULL for desc, the newest first
- status: only orders in this status: DRAFT, PENDING_PUBLISH, PUBLISHED, ACCEPTED, ...
- sandbox: only orders of the sandbox, or only others
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: 22023 where the API does not take a filter, a page or an order.
API: listOrders, GET /orders';

COMMENT ON FUNCTION truust_send_order_receipt IS 'Sends the buyer a receipt by e-mail. Each call sends one.
- order_id: id of the order
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such order; 22023 where there is nothing to send a receipt of.
API: sendOrderReceipt, POST /orders/{order_id}/receipt';

COMMENT ON FUNCTION truust_list_payins IS 'Payments of buyers.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- search: the field to look in, such as email or tag
- query: what to look for; in all that the API searches where search is NULL
- date_begin: nothing from before this day
- date_end: nothing from after this day
- order_by: the field to sort by; NULL for created_at
- sort: asc or desc; NULL for desc, the newest first
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: 22023 where the API does not take a filter, a page or an order.
API: listPayins, GET /payins';

COMMENT ON FUNCTION truust_sync_payin IS 'Has Truust ask the payment provider how a payment stands, and gives the result.
- payin_id: id of the payin
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such payin.
API: syncPayin, PUT /payins/{payin_id}';

COMMENT ON FUNCTION truust_list_payouts IS 'Payments to sellers.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- search: the field to look in, such as email or tag
- query: what to look for; in all that the API searches where search is NULL
- date_begin: nothing from before this day
- date_end: nothing from after this day
- order_by: the field to sort by; NULL for created_at
- sort: asc or desc; NULL for desc, the newest first
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: 22023 where the API does not take a filter, a page or an order.
API: listPayouts, GET /payouts';

COMMENT ON FUNCTION truust_sync_payout IS 'Has Truust ask the payment provider how a payment to a seller stands, and gives the result.
- payout_id: id of the payout
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such payout.
API: syncPayout, POST /payouts/{payout_id}/update';

COMMENT ON FUNCTION truust_update_wallet IS 'Sets tag and metadata of a wallet; what is NULL stays.
- wallet_uuid: uuid of the wallet (not its id)
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- metadata: JSON object of your own, which comes back with it
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such wallet; 22023 where the API does not take a value.
API: updateWallet, PUT /wallets/{wallet_uuid}';

COMMENT ON FUNCTION truust_list_wallets IS 'Wallets of the account.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: 22023 where the API does not take a page.
API: listWallets, GET /wallets';

COMMENT ON FUNCTION truust_list_wallet_transactions IS 'Movements in a wallet.
- wallet_uuid: uuid of the wallet (not its id)
- page: one page by its number, from 1; NULL for all of them, one after the other
- date_begin: nothing from before this day
- date_end: nothing from after this day
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: P0002 where there is no such wallet; 22023 where the API does not take a page.
API: listWalletTransactions, GET /wallets/{wallet_uuid}/transactions';

COMMENT ON FUNCTION truust_get_bank_account_validation IS 'What a bank account must have in a country, as the API describes it (jsonb, its form is the API''s own).
- currency: currency, three letters (ISO 4217)
- country: country, two letters (ISO 3166-1)
- type: kind of bank account, as in truust_create_bank_account

Errors: P0002 where there is no such bank account.
API: getBankAccountValidation, GET /bankaccounts/validation';

COMMENT ON FUNCTION truust_get_bank_account IS 'One bank account; its number is masked.
- bank_account_uuid: uuid of the bank account (not its id)

Errors: P0002 where there is none.
API: getBankAccount, GET /bankaccounts/{bank_account_uuid}';

COMMENT ON FUNCTION truust_list_subscriptions IS 'Subscriptions of the account.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- order_by: the field to sort by; NULL for created_at
- sort: asc or desc; NULL for desc, the newest first
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: 22023 where the API does not take a filter, a page or an order.
API: listSubscriptions, GET /subscriptions';

COMMENT ON FUNCTION truust_list_verifications IS 'Legal checks (KYC) of the account and its customers.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- search: the field to look in, such as email or tag
- query: what to look for; in all that the API searches where search is NULL
- date_begin: nothing from before this day
- date_end: nothing from after this day
- order_by: the field to sort by; NULL for created_at
- sort: asc or desc; NULL for desc, the newest first
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: 22023 where the API does not take a filter, a page or an order.
API: listVerifications, GET /verifications';

COMMENT ON FUNCTION truust_list_verification_documents IS 'Documents of a legal check (KYC).
- verification_uuid: uuid of the verification
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: P0002 where there is no such verification.
API: listVerificationDocuments, GET /verifications/{verification_uuid}/documents';

COMMENT ON FUNCTION truust_get_verification_document IS 'One document of a legal check (KYC).
- verification_uuid: uuid of the verification
- document_uuid: uuid of the document

Errors: P0002 where there is no such verification or document.
API: getVerificationDocument, GET /verifications/{verification_uuid}/documents/{document_uuid}';

COMMENT ON FUNCTION truust_list_bundles IS 'Bundles of the account: links that many buyers can order through.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- search: what to look for
- date_begin: nothing from before this day
- date_end: nothing from after this day
- order_by: the field to sort by; NULL for created_at
- sort: asc or desc; NULL for desc, the newest first
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: 22023 where the API does not take a filter, a page or an order.
API: listBundles, GET /bundles';

COMMENT ON FUNCTION truust_create_bundle IS 'Makes a bundle: a link for a product, through which any buyer makes an order of their own.
- name: name of the product on the payment page (at most 120 characters)
- description: more about it (at most 255 characters)
- value: price in units of the currency (0 or more)
- is_active: whether the link works
- is_shippable: whether it can be shipped; the payment page then asks where to
- value_shipping: price of shipping in units of the currency; needed where is_shippable is true; 0 or more
- tag: a short text of your own, which comes back with it (at most 50 characters)
- metadata: JSON object of your own, which comes back with it
- images: addresses (URLs) of pictures
- expiration: when the link ends; any time zone, sent in UTC
- expiration_unit: number of units there are, where they are limited
- expiration_amount: price after the end, in units of the currency, where it becomes another
- buyer_confirmed_url: where the buyer goes after paying
- buyer_denied_url: where the buyer goes after a payment that failed
- seller_confirmed_url: where the seller goes after the payout
- seller_denied_url: where the seller goes after a payout that failed
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value.
API: createBundle, POST /bundles';

COMMENT ON FUNCTION truust_list_expired_bundles IS 'Bundles whose link has ended.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: 22023 where the API does not take a page.
API: listExpiredBundles, GET /bundles/expired';

COMMENT ON FUNCTION truust_update_bundle IS 'Changes a bundle; what is NULL stays.
- bundle_id: id of the bundle, as text
- name: name of the product on the payment page (at most 120 characters)
- description: more about it (at most 255 characters)
- value: price in units of the currency (0 or more)
- is_active: whether the link works
- is_shippable: whether it can be shipped
- value_shipping: price of shipping in units of the currency; needed where is_shippable is true; 0 or more
- tag: a short text of your own, which comes back with it (at most 50 characters)
- metadata: JSON object of your own, which comes back with it
- images: addresses (URLs) of pictures
- expiration: when the link ends; any time zone, sent in UTC
- expiration_unit: number of units there are, where they are limited
- expiration_amount: price after the end, in units of the currency, where it becomes another
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value.
API: updateBundle, PUT /bundles/{bundle_id}';

COMMENT ON FUNCTION truust_list_bundle_orders IS 'Orders that came through a bundle.
- bundle_id: id of the bundle, as text
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: P0002 where there is no such bundle; 22023 where the API does not take a page.
API: listBundleOrders, GET /bundles/{bundle_id}/orders';

COMMENT ON FUNCTION truust_list_refunds IS 'Payments back to buyers.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- search: the field to look in, such as email or tag
- query: what to look for; in all that the API searches where search is NULL
- date_begin: nothing from before this day
- date_end: nothing from after this day
- order_by: the field to sort by; NULL for created_at
- sort: asc or desc; NULL for desc, the newest first
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: 22023 where the API does not take a filter, a page or an order.
API: listRefunds, GET /refunds';

COMMENT ON FUNCTION truust_create_card IS 'Adds a card to a customer: the buyer enters it at tokenization_link of the result. The API''s documentation names this operation and describes no body; give what your account''s manager tells you in extra.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such customer.
API: createCard, POST /customers/{customer_uuid}/cards';

COMMENT ON FUNCTION truust_get_forex_rates IS 'The rate between two currencies, as the API describes it (jsonb, its form is the API''s own).
- type: kind of rate
- sell_currency: currency that is given, three letters (ISO 4217)
- buy_currency: currency that is wanted, three letters (ISO 4217)

Errors: 22023 where the API does not know a currency.
API: getForexRates, GET /forex/rates';

-- Whoever has the privilege read may read truust.stats too.
CREATE OR REPLACE VIEW truust.privileges AS
    WITH named (privilege, name) AS (
        SELECT 'api', 'truust_' || e.name FROM truust.endpoints() e
        UNION ALL
        VALUES ('api', 'truust_get_orders'),
               ('api', 'truust_get_payins'),
               ('api', 'truust_get_payouts'),
               ('api', 'truust_get_customers'),
               ('api', 'truust_charge_direct_link'),
               ('api', 'truust_enqueue'),
               ('api', 'truust_cancel_request'),
               ('intake', 'truust_receive_webhook'),
               ('read', 'truust_status'),
               ('read', 'stats_rows'),
               ('operate', 'truust_status'),
               ('operate', 'truust_retry_webhook'),
               ('operate', 'truust_discard_webhook'),
               ('operate', 'truust_replay'),
               ('operate', 'truust_sync_orders'),
               ('operate', 'truust_pause'),
               ('operate', 'truust_resume'),
               ('operate', 'truust_retry_request'),
               ('operate', 'truust_cancel_request'),
               ('operate', 'truust_resolve_request'),
               ('operate', 'truust_attach'),
               ('operate', 'truust_detach'),
               ('operate', 'attached'),
               ('operate', 'truust_on'),
               ('operate', 'truust_off'),
               ('operate', 'truust_drain'),
               ('operate', 'truust_start_worker'),
               ('operate', 'truust_stop_worker')
    ), tables (privilege, name, rights) AS (
        VALUES ('api', 'requests', 'SELECT'),
               ('intake', 'webhooks', 'INSERT (received_at, event, headers, body, server)'),
               ('read', 'orders', 'SELECT'),
               ('read', 'payins', 'SELECT'),
               ('read', 'payouts', 'SELECT'),
               ('read', 'events', 'SELECT'),
               ('read', 'webhooks', 'SELECT'),
               ('read', 'requests', 'SELECT'),
               ('read', 'handlers', 'SELECT'),
               ('read', 'attachments', 'SELECT'),
               ('read', 'pauses', 'SELECT'),
               ('read', 'dead_letters', 'SELECT'),
               ('read', 'pending', 'SELECT'),
               ('read', 'stats', 'SELECT'),
               ('operate', 'requests', 'SELECT'),
               ('operate', 'dead_letters', 'SELECT'),
               ('operate', 'pending', 'SELECT')
    )
    SELECT n.privilege,
           CASE p.prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END || p.oid::pg_catalog.regprocedure AS object,
           'EXECUTE' AS rights
      FROM named n
      JOIN pg_catalog.pg_proc p ON p.proname = n.name
      JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
      JOIN pg_catalog.pg_extension x ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = x.oid AND x.extname = 'truust'
    UNION ALL
    SELECT t.privilege, 'TABLE truust.' || pg_catalog.quote_ident(t.name), t.rights FROM tables t;

CREATE FUNCTION truust_renew_privileges()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r record;
BEGIN
    FOR r IN
        SELECT p.privilege, a.rolname
          FROM pg_catalog.unnest(ARRAY['api', 'intake', 'read', 'operate']) AS p (privilege), pg_catalog.pg_roles a
         WHERE truust.holds_privilege(p.privilege, a.rolname)
           AND a.oid <> (SELECT x.extowner FROM pg_catalog.pg_extension x WHERE x.extname = 'truust')
    LOOP
        PERFORM truust.change_privileges('GRANT', r.privilege, r.rolname);
    END LOOP;
END
$$;
COMMENT ON FUNCTION truust_renew_privileges() IS 'Gives every role that has a privilege of truust_grant() what that privilege is made of now: to be called after ALTER EXTENSION truust UPDATE, whose scripts cannot grant anything to users'' roles without its being lost from dumps. For the extension''s owner.';

REVOKE ALL ON FUNCTION truust_renew_privileges() FROM PUBLIC;
