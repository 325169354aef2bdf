-- What each call means, what its parameters are measured in, its own errors, and the operation of the API that it
-- is.  make docs turns this into docs/reference.md; test/sql/facts.sql wants every parameter and operation named.

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

COMMENT ON FUNCTION truust_update_account IS 'Changes settings of the account that the key belongs to. Further fields of truust_create_account are taken in extra.
- allow_shipping: whether orders can be shipped; the API wants it each time
- name: name of the business (at most 255 characters)
- value_shipping: price of shipping in units of the currency; needed where allow_shipping is true
- fee_shipping: fee of shipping in units of the currency, instead of value_shipping
- business_phone: telephone with its country code
- business_description: what the business does
- image: logo, as a URL or in base64
- custom_domain: domain of your own for the payment page
- addon_account: access to the payment gateway
- subaccounts: ids of accounts that belong to this one
- allowed_gateways: gateways that are allowed besides the default one; gateways are named ADDON, BANKWIRE, REDSYS_V2, STRIPE, BIZUM and the like
- default_gateway: gateway of payments where nothing else is said
- psd2_enabled: whether payments go by PSD2
- metadata: JSON object of your own, which comes back with it
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value.
API: updateAccount, PUT /accounts/me';

COMMENT ON FUNCTION truust_get_account_fees IS 'The account''s wallet in one currency: its balance and what it holds of fees.
- currency: currency, three letters (ISO 4217); NULL for the account''s own

Errors: P0002 or 22023 where the API does not know the currency.
API: getAccountFees, GET /accounts/fees/{currency}';

COMMENT ON FUNCTION truust_verify_account IS 'Hands in who stands behind the account, for the legal check (KYC).
- type: NATURAL for a person, SOLETRADER for a self-employed one, LEGAL for a company
- first_name: first name of the person, or of who acts for the company (at most 255 characters)
- last_name: last name of the same (at most 255 characters)
- vat_id: tax number (at most 255 characters)
- legal_address: street and number (at most 255 characters)
- legal_city: city (at most 255 characters)
- legal_zip: postal code (at most 255 characters)
- legal_state: state or province (at most 255 characters)
- legal_name: the company''s name; needed for LEGAL; at most 255 characters
- legal_country: country, two letters (ISO 3166-1)
- birthday: date of birth, for NATURAL
- occupation: occupation, for NATURAL (at most 255 characters)
- income_range: income in units of the currency, for NATURAL
- representative_name: full name of who acts for the company; needed for LEGAL; at most 255 characters
- representative_email: the same person''s e-mail address; needed for LEGAL
- representative_phone: the same person''s telephone; needed for LEGAL
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value.
API: verifyAccount, POST /accounts/verify';

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

COMMENT ON FUNCTION truust_create_customer IS 'Makes a customer, who can then buy and sell. Where the e-mail address or the telephone is known already, the customer who has it is changed and comes back: look at the id. One of both is needed.
- name: full name (at most 255 characters)
- first_name: first name (at most 255 characters)
- last_name: last name (at most 255 characters)
- email: e-mail address; needed where phone is NULL; at most 255 characters
- prefix: country code of the telephone, as +34; needed with phone
- phone: telephone without its country code; needed where email is NULL
- locale: language of messages, as es or en
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- vat_id: tax number (at most 255 characters)
- type: provider for whom the customer is registered: CLEARJUNCTION or CURRENCYCLOUD; both want more about the person, in extra => {"kyc": {...}}; NULL for none
- metadata: JSON object of your own, which comes back with it
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where both email and phone are missing, or the API does not take a value.
API: createCustomer, POST /customers';

COMMENT ON FUNCTION truust_get_customer IS 'One customer.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)

Errors: P0002 where there is none.
API: getCustomer, GET /customers/{customer_uuid}';

COMMENT ON FUNCTION truust_update_customer IS 'Changes a customer; what is NULL stays.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- name: full name (at most 255 characters)
- first_name: first name (at most 255 characters)
- last_name: last name (at most 255 characters)
- email: e-mail address (at most 255 characters)
- prefix: country code of the telephone number, as +34
- phone: telephone number without its country code
- locale: language of messages, as es or en
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- metadata: JSON object of your own, which comes back with it
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such customer; 22023 where the API does not take a value.
API: updateCustomer, PUT /customers/{customer_uuid}';

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

COMMENT ON FUNCTION truust_create_customer_address IS 'Adds a postal address to a customer.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- name: who lives there, or what you call the address (at most 255 characters)
- line1: street and number (at most 255 characters)
- city: city (at most 255 characters)
- state: state or province (at most 255 characters)
- zip_code: postal code
- country: country, two letters (ISO 3166-1)
- line2: floor, flat and the like (at most 255 characters)
- email: e-mail address there (at most 255 characters)
- prefix: country code of the telephone, as +34; goes with phone
- phone: telephone without its country code; goes with prefix
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- metadata: JSON object of your own, which comes back with it
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value.
API: createCustomerAddress, POST /customers/{customer_uuid}/addresses';

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

COMMENT ON FUNCTION truust_create_customer_verification IS 'Hands in who a customer is, for the legal check (KYC).
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- type: NATURAL for a person, SOLETRADER for a self-employed one, LEGAL for a company
- first_name: first name of the person, or of who acts for the company (at most 255 characters)
- last_name: last name of the same (at most 255 characters)
- vat_id: tax number (at most 255 characters)
- legal_address: street and number (at most 255 characters)
- legal_city: city (at most 255 characters)
- legal_zip: postal code (at most 255 characters)
- legal_state: state or province (at most 255 characters)
- legal_country: country, two letters (ISO 3166-1)
- legal_name: the company''s name; needed for LEGAL; at most 255 characters
- birthday: date of birth, for NATURAL
- occupation: occupation, for NATURAL
- income_range: income in units of the currency, for NATURAL
- representative_name: full name of who acts for the company; needed for LEGAL
- representative_email: the same person''s e-mail address; needed for LEGAL
- representative_phone: the same person''s telephone; needed for LEGAL
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value.
API: createCustomerVerification, POST /customers/{customer_uuid}/verify';

COMMENT ON FUNCTION truust_get_customer_verification IS 'The legal check (KYC) of a customer, as it stands.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)

Errors: P0002 where there is no such customer or no check of them.
API: getCustomerVerification, GET /customers/{customer_uuid}/verification';

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

COMMENT ON FUNCTION truust_create_order IS 'Makes an order: a price that a buyer pays into escrow and that the seller gets when the order is validated. Send the buyer to buyer_link of the result, or ask for a payment with truust_create_payin. The order is noted in truust.orders in this transaction; to order from a trigger, or to have a lost answer sorted out by itself, use truust_enqueue.
- name: what is sold, as the buyer reads it (at most 120 characters)
- value: price in units of the currency: 120.50 is 120 euros and 50 cents (0 or more)
- buyer_id: id of the customer who buys; NULL where who opens the link buys
- seller_id: id of the customer who sells; NULL with auto_settle or trustee_type
- trustee_type: account, where the account itself sells
- fee_value: your fee as an amount in units of the currency; of it and fee_percent the higher is charged; 0 or more
- fee_percent: your fee in percent; of it and fee_value the higher is charged; 0 to 100
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- auto_settle: true where nobody has to accept: payment leads straight to ACCEPTED
- metadata: JSON object of your own, which comes back with it
- template: JSON object with words and switches for the payment page: btn_submit_text, iframe_title, expires_in (seconds), hide_cardholder, password_cvv
- images: addresses (URLs) of pictures
- buyer_confirmed_url: where the buyer goes after paying
- buyer_denied_url: where the buyer goes after a payment that failed
- seller_confirmed_url: where the seller goes after accepting
- seller_denied_url: where the seller goes after rejecting
- payin_intents: how often the buyer may try to pay (1 or more)
- payin_method_types: kinds of payment that are offered, such as CARD and BANKWIRE
- payin_method_fallback: kinds that are offered where those fail
- buyer_billing_id: id of the buyer''s address for the invoice
- buyer_shipping_id: id of the buyer''s address for the parcel
- subscription_id: id of the subscription that this order belongs to
- discount_amount: discount in units of the currency (0 or more)
- discount_coupon_id: id of a coupon
- discount_wallet_id: id of the wallet that pays the discount
- bundle: id of the bundle that the order comes from
- currency: currency, three letters (ISO 4217); NULL for the account''s own
- payin_types: kinds of payment, as payin_method_types; newer pages of the API call it so
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value; 08006, 58000 or 08P01 where the order may have been made although no answer came: look with truust_list_orders(search => ''tag'', query => ...) before ordering again.
API: createOrder, POST /orders';

COMMENT ON FUNCTION truust_get_order IS 'One order, as it stands at Truust. For many at once see truust_get_orders.
- order_id: id of the order

Errors: P0002 where there is none.
API: getOrder, GET /orders/{order_id}';

COMMENT ON FUNCTION truust_update_order IS 'Changes an order; what is NULL stays. After the payment only metadata, fee_value and fee_percent can change.
- order_id: id of the order
- buyer_id: id of the customer who buys
- name: what is sold (at most 120 characters)
- value: price in units of the currency (0 or more)
- fee_value: your fee as an amount in units of the currency; of it and fee_percent the higher is charged; 0 or more
- fee_percent: your fee in percent; of it and fee_value the higher is charged; 0 to 100
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- metadata: JSON object of your own, which comes back with it
- template: JSON object with words and switches for the payment page
- images: addresses (URLs) of pictures
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value, or the order is paid.
API: updateOrder, PUT /orders/{order_id}';

COMMENT ON FUNCTION truust_get_order_payin IS 'The payment of an order.
- order_id: id of the order

Errors: P0002 where there is no such order, or nobody has begun to pay.
API: getOrderPayin, GET /orders/{order_id}/payin';

COMMENT ON FUNCTION truust_get_order_payout IS 'The payment of an order to its seller.
- order_id: id of the order

Errors: P0002 where there is no such order, or no payout of it.
API: getOrderPayout, GET /orders/{order_id}/payout';

COMMENT ON FUNCTION truust_accept_order IS 'The seller takes the order: PUBLISHED becomes ACCEPTED.
- order_id: id of the order
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such order; 22023 where its status does not allow it.
API: acceptOrder, POST /orders/{order_id}/accept';

COMMENT ON FUNCTION truust_cancel_order IS 'Cancels an order; what the buyer has paid goes back.
- order_id: id of the order
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- metadata: JSON object of your own, which comes back with it
- bankaccount_id: id of the bank account that the money goes back to; needed where it came by bank wire
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the status of the order does not allow it.
API: cancelOrder, POST /orders/{order_id}/cancel';

COMMENT ON FUNCTION truust_validate_order IS 'Releases the money of an order to its seller. There is no way back. PENDING_VALIDATE becomes PENDING_RELEASE, and RELEASED when the money is on its way.
- order_id: id of the order
- auto_accept: true to leave out the acceptance by the seller
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such order; 22023 where its status does not allow it.
API: validateOrder, POST /orders/{order_id}/validate';

COMMENT ON FUNCTION truust_send_order_receipt IS 'Sends the buyer a receipt by e-mail. Each call sends one.
- order_id: id of the order
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such order; 22023 where there is nothing to send a receipt of.
API: sendOrderReceipt, POST /orders/{order_id}/receipt';

COMMENT ON FUNCTION truust_reimburse_order IS 'Pays the buyer of an order back, wholly or in part, into a wallet. Called twice, it pays twice.
- order_id: id of the order
- amount: how much, in units of the currency; NULL for all; 0 or more
- wallet_id: id of the wallet that gets it
- payin_id: id of the payment that is paid back; needed where the order has several
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the amount is over what is left, or the API does not take a value; 08006, 58000 or 08P01 where the money may have moved although no answer came: look at truust_list_refunds() before repeating it.
API: reimburseOrder, POST /orders/{order_id}/reimburse';

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

COMMENT ON FUNCTION truust_create_payin IS 'Begins a payment of an order. With a saved card, truust_charge_direct_link then charges it without the buyer.
- order_id: id of the order to pay
- type: kind of payment: BANKWIRE, WALLET, or a gateway of the account, such as REDSYS_V2
- gateway_id: id of the gateway, instead of the one that type names
- card_id: id of a saved card
- wallet_id: id of the wallet that pays; needed for WALLET
- save_card: true to save the card that the buyer pays with
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such order; 22023 where its status does not allow it, or the API does not take a value.
API: createPayin, POST /payins';

COMMENT ON FUNCTION truust_get_payin IS 'One payment of a buyer. For many at once see truust_get_payins.
- payin_id: id of the payin

Errors: P0002 where there is none.
API: getPayin, GET /payins/{payin_id}';

COMMENT ON FUNCTION truust_sync_payin IS 'Has Truust ask the payment provider how a payment stands, and gives the result.
- payin_id: id of the payin
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such payin.
API: syncPayin, PUT /payins/{payin_id}';

COMMENT ON FUNCTION truust_refund_payin IS 'Gives a payment back to its buyer, wholly or in part. Called twice, it pays twice.
- payin_id: id of the payin
- amount: how much, in units of the currency; NULL for all; 0 or more
- multipayin: true to give back all payments of the same order
- bankaccount_id: id of the bank account that gets it; needed where the payment came by bank wire
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- metadata: JSON object of your own, which comes back with it
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 42501 where this kind of payment cannot be given back; 22023 where the amount is over what is left, or the API does not take a value; 08006, 58000 or 08P01 where the money may have moved although no answer came: look at truust_list_refunds() before repeating it.
API: refundPayin, POST /payins/{payin_id}/refund';

COMMENT ON FUNCTION truust_cancel_pre_auth IS 'Gives up a payment that is authorized and not collected; nothing is charged.
- payin_id: id of the payin
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such payment; 22023 where it is not AUTHORIZED.
API: cancelPreAuth, POST /payins/{payin_id}/cancelpreauth';

COMMENT ON FUNCTION truust_request_to_pay IS 'Asks the buyer to pay, for kinds of payment that work by such a request (open banking). Each call asks once more.
- payin_id: id of the payin
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the kind of payment has no such request.
API: requestToPay, POST /payins/{payin_id}/request';

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

COMMENT ON FUNCTION truust_create_payout IS 'Says where the money of an order goes: to a wallet or to a bank account. It goes there after truust_validate_order.
- order_id: id of the order, which is accepted and not yet released
- type: WALLET, ACCOUNT or BANKWIRE
- wallet_id: id of the wallet; needed for WALLET
- bankaccount_id: id of the bank account; needed for ACCOUNT
- bankwire_ref: reference that the bank shows (at most 140 characters)
- azupay_id: id of the target at AzuPay
- azupay_type: kind of account at AzuPay
- azupay_bsb: number of the bank in Australia (BSB)
- azupay_account: number of the account
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the status of the order does not allow it, or the API does not take a value.
API: createPayout, POST /payouts';

COMMENT ON FUNCTION truust_get_payout IS 'One payment to a seller. For many at once see truust_get_payouts.
- payout_id: id of the payout

Errors: P0002 where there is none.
API: getPayout, GET /payouts/{payout_id}';

COMMENT ON FUNCTION truust_sync_payout IS 'Has Truust ask the payment provider how a payment to a seller stands, and gives the result.
- payout_id: id of the payout
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such payout.
API: syncPayout, POST /payouts/{payout_id}/update';

COMMENT ON FUNCTION truust_get_wallet IS 'One wallet and its balance.
- wallet_uuid: uuid of the wallet (not its id)
- update: ''1'' to have the balance asked for at the provider first

Errors: P0002 where there is none.
API: getWallet, GET /wallets/{wallet_uuid}';

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

COMMENT ON FUNCTION truust_create_wallet IS 'Makes a wallet for a customer or for the account itself.
- currency: currency, three letters (ISO 4217)
- customer_id: id of the customer; needed unless customer_type is source
- customer_type: source for a wallet of the account itself, user for one of a customer
- type: provider of the wallet: CURRENCYCLOUD or CLEARJUNCTION; NULL for none
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- metadata: JSON object of your own, which comes back with it
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value.
API: createWallet, POST /wallets';

COMMENT ON FUNCTION truust_list_wallet_transactions IS 'Movements in a wallet.
- wallet_uuid: uuid of the wallet (not its id)
- page: one page by its number, from 1; NULL for all of them, one after the other
- date_begin: nothing from before this day
- date_end: nothing from after this day
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: P0002 where there is no such wallet; 22023 where the API does not take a page.
API: listWalletTransactions, GET /wallets/{wallet_uuid}/transactions';

COMMENT ON FUNCTION truust_create_bank_account IS 'Makes a bank account known, of a customer or of the account itself. What a country wants is told by truust_get_bank_account_validation.
- name: name of the holder (at most 255 characters)
- type: IBAN, INTERNATIONAL, BSB_ACCOUNT, PA_AHORRO, PA_CTE, CL_CTE, CL_VISTA, CL_AHORRO, ZEPTO, CLEARJUNCTION, CURRENCYCLOUD or OTHER
- number: number of the account; an IBAN where type is IBAN, CLEARJUNCTION or CURRENCYCLOUD
- customer_id: id of the customer; needed unless customer_type is source
- customer_type: source for a bank account of the account itself
- bic: BIC (SWIFT code) of the bank; needed for INTERNATIONAL; at most 11 characters
- bsb: number of the bank in Australia, six digits; needed for BSB_ACCOUNT
- cod_entidad: number of the bank, for PA_CTE and PA_AHORRO
- iban: IBAN, where it is not in number
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- metadata: JSON object of your own; CLEARJUNCTION and CURRENCYCLOUD want currency, country and fields about the holder (beneficiary_...) in it
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value, a false IBAN among them.
API: createBankAccount, POST /bankaccounts';

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

COMMENT ON FUNCTION truust_get_card IS 'One saved card; its number is masked.
- card_uuid: uuid of the card (not its id)

Errors: P0002 where there is none.
API: getCard, GET /cards/{card_uuid}';

COMMENT ON FUNCTION truust_delete_card IS 'Forgets a saved card. Returns nothing.
- card_uuid: uuid of the card (not its id)

Errors: P0002 where there is no such card, or it is gone already.
API: deleteCard, DELETE /cards/{card_uuid}';

COMMENT ON FUNCTION truust_list_subscriptions IS 'Subscriptions of the account.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- order_by: the field to sort by; NULL for created_at
- sort: asc or desc; NULL for desc, the newest first
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: 22023 where the API does not take a filter, a page or an order.
API: listSubscriptions, GET /subscriptions';

COMMENT ON FUNCTION truust_create_subscription IS 'Makes a subscription: orders between a buyer and a seller that repeat by a schedule.
- buyer_id: id of the customer who pays
- seller_id: id of the customer who is paid
- name: what is sold (at most 120 characters)
- value: price of each time, in units of the currency (0 or more)
- type: kind of payment, such as CARD
- fee_value: your fee as an amount in units of the currency; of it and fee_percent the higher is charged; 0 or more
- fee_percent: your fee in percent; of it and fee_value the higher is charged; 0 to 100
- start_date: first day; NULL for today
- first_payment_value: price of the first time where it is another, in units of the currency
- times: how many times; NULL for no end
- schedule: when: monthly, weekly, or a cron expression
- auto_settle: true where no seller has to accept the orders
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- metadata: JSON object of your own, which comes back with it
- order_metadata: JSON object of your own for each order
- buyer_confirmed_url: where the buyer goes after paying
- buyer_denied_url: where the buyer goes after a payment that failed
- seller_confirmed_url: where the seller goes after accepting
- seller_denied_url: where the seller goes after rejecting
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value; 08006, 58000 or 08P01 where it may have been made although no answer came: look at truust_list_subscriptions() before repeating it, or the buyer pays twice.
API: createSubscription, POST /subscriptions';

COMMENT ON FUNCTION truust_get_subscription IS 'One subscription.
- subscription_id: id of the subscription

Errors: P0002 where there is none.
API: getSubscription, GET /subscriptions/{subscription_id}';

COMMENT ON FUNCTION truust_cancel_subscription IS 'Ends a subscription; nothing more is charged.
- subscription_id: id of the subscription
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such subscription; 22023 where it has ended already.
API: cancelSubscription, PUT /subscriptions/{subscription_id}/cancel';

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

COMMENT ON FUNCTION truust_get_verification IS 'One legal check (KYC), as it stands.
- verification_uuid: uuid of the verification

Errors: P0002 where there is none.
API: getVerification, GET /verifications/{verification_uuid}';

COMMENT ON FUNCTION truust_submit_verification IS 'Hands in or changes what a legal check (KYC) is about. truust_request_verification then asks for the review.
- verification_uuid: uuid of the verification
- type: NATURAL for a person, SOLETRADER for a self-employed one, LEGAL for a company
- first_name: first name of the person, or of who acts for the company (at most 255 characters)
- last_name: last name of the same (at most 255 characters)
- vat_id: tax number (at most 255 characters)
- legal_address: street and number (at most 255 characters)
- legal_city: city (at most 255 characters)
- legal_zip: postal code (at most 255 characters)
- legal_state: state or province (at most 255 characters)
- legal_country: country, two letters (ISO 3166-1)
- legal_name: the company''s name; needed for LEGAL; at most 255 characters
- birthday: date of birth, for NATURAL
- occupation: occupation, for NATURAL
- income_range: income in units of the currency, for NATURAL
- representative_name: full name of who acts for the company; needed for LEGAL
- representative_email: the same person''s e-mail address; needed for LEGAL
- representative_phone: the same person''s telephone; needed for LEGAL
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value.
API: submitVerification, PUT /verifications/{verification_uuid}';

COMMENT ON FUNCTION truust_request_verification IS 'Asks for the review of a legal check (KYC) that is complete: CREATED becomes PENDING.
- verification_uuid: uuid of the verification
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where it is not CREATED, or something is missing.
API: requestVerification, POST /verifications/{verification_uuid}/request';

COMMENT ON FUNCTION truust_list_verification_documents IS 'Documents of a legal check (KYC).
- verification_uuid: uuid of the verification
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

Errors: P0002 where there is no such verification.
API: listVerificationDocuments, GET /verifications/{verification_uuid}/documents';

COMMENT ON FUNCTION truust_upload_verification_document IS 'Adds a document to a legal check (KYC).
- verification_uuid: uuid of the verification
- type: what the document proves: IDENTITY_PROOF, ADDRESS_PROOF, REGISTRATION_PROOF, ARTICLES_OF_ASSOCIATION, SHAREHOLDER_DECLARATION, TAX_VERIFICATION, BUSINESS_ADMINISTRATOR_ID, COMPANY_REGISTRATION_PROOF or BANK_VERIFICATION
- content: a picture (JPG or PNG) in base64, with its kind in front as the API''s own example has it: ''data:image/jpeg;base64,'' || translate(encode(bytes, ''base64''), chr(10), ''''); 10 MB are no trouble
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take the picture.
API: uploadVerificationDocument, POST /verifications/{verification_uuid}/documents';

COMMENT ON FUNCTION truust_get_verification_document IS 'One document of a legal check (KYC).
- verification_uuid: uuid of the verification
- document_uuid: uuid of the document

Errors: P0002 where there is no such verification or document.
API: getVerificationDocument, GET /verifications/{verification_uuid}/documents/{document_uuid}';

COMMENT ON FUNCTION truust_update_verification_document IS 'Puts another file in the place of a document of a legal check (KYC).
- verification_uuid: uuid of the verification
- document_uuid: uuid of the document
- type: what the document proves: IDENTITY_PROOF, ADDRESS_PROOF, REGISTRATION_PROOF, ARTICLES_OF_ASSOCIATION, SHAREHOLDER_DECLARATION, TAX_VERIFICATION, BUSINESS_ADMINISTRATOR_ID, COMPANY_REGISTRATION_PROOF or BANK_VERIFICATION
- content: a picture or a PDF in base64, with its kind in front: ''data:application/pdf;base64,'' || translate(encode(bytes, ''base64''), chr(10), '''')
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take the file.
API: updateVerificationDocument, PUT /verifications/{verification_uuid}/documents/{document_uuid}';

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

COMMENT ON FUNCTION truust_get_bundle IS 'One bundle.
- bundle_id: id of the bundle, as text

Errors: P0002 where there is none.
API: getBundle, GET /bundles/{bundle_id}';

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

COMMENT ON FUNCTION truust_get_refund IS 'One payment back to a buyer.
- refund_id: id of the refund

Errors: P0002 where there is none.
API: getRefund, GET /refunds/{refund_id}';

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

COMMENT ON FUNCTION truust_get_orders IS 'Many orders at once, as they stand at Truust: with up to truust.max_connections requests in flight, in one session. One row for each id, in the order of the array; an id given twice comes twice.
- order_ids: ids of the orders; none of them NULL

Errors: P0002 where one of them does not exist, and then nothing is returned; 22004 for a NULL in the array.
API: getOrder, GET /orders/{order_id}';

COMMENT ON FUNCTION truust_get_payins IS 'Many payments of buyers at once, the way truust_get_orders does it.
- payin_ids: ids of the payins; none of them NULL

Errors: P0002 where one of them does not exist; 22004 for a NULL in the array.
API: getPayin, GET /payins/{payin_id}';

COMMENT ON FUNCTION truust_get_payouts IS 'Many payments to sellers at once, the way truust_get_orders does it.
- payout_ids: ids of the payouts; none of them NULL

Errors: P0002 where one of them does not exist; 22004 for a NULL in the array.
API: getPayout, GET /payouts/{payout_id}';

COMMENT ON FUNCTION truust_get_customers IS 'Many customers at once, the way truust_get_orders does it.
- customer_uuids: uuids of the customers; none of them NULL

Errors: P0002 where one of them does not exist; 22004 for a NULL in the array.
API: getCustomer, GET /customers/{customer_uuid}';

COMMENT ON FUNCTION truust_charge_direct_link IS 'Charges the saved card of a payment without the buyer, by a POST to the direct_link of the payin, and returns the payin as it stands then. The key is sent to no other host than the server''s own. Called twice, it may charge twice.
- payin_id: id of a payin that was made with card_id

Errors: P0002 where there is no such payin; 55000 where it has no direct_link, as it is paid already or has no card; 08P01 where the link leads to another host, and then nothing is sent; 08006 or 58000 where the card may have been charged although no answer came: look at truust_get_payin() before repeating it.
API: getPayin, GET /payins/{payin_id}; POST to its direct_link';

-- Columns whose meaning or unit does not stand in their name.

COMMENT ON COLUMN truust_order.id IS 'As orders are named in every call.';
COMMENT ON COLUMN truust_order.public_id IS 'Its name in links.';
COMMENT ON COLUMN truust_order.value IS 'Price in units of the currency, exact.';
COMMENT ON COLUMN truust_order.fee_value IS 'Fee in units of the currency.';
COMMENT ON COLUMN truust_order.fee_percent IS 'Fee in percent.';
COMMENT ON COLUMN truust_order.currency IS 'Three letters (ISO 4217).';
COMMENT ON COLUMN truust_order.amount IS 'Price as text for people, with the sign of the currency; value is the number.';
COMMENT ON COLUMN truust_order.payin_amount IS 'What the buyer pays, as text for people.';
COMMENT ON COLUMN truust_order.payout_amount IS 'What the seller gets, as text for people.';
COMMENT ON COLUMN truust_order.fee_amount IS 'Fee as text for people; fee_value is the number.';
COMMENT ON COLUMN truust_order.shipping_amount IS 'Price of shipping, as text for people.';
COMMENT ON COLUMN truust_order.buyer_link IS 'Where the buyer pays.';
COMMENT ON COLUMN truust_order.seller_link IS 'Where the seller accepts or rejects.';
COMMENT ON COLUMN truust_order.qr_link IS 'Picture of a QR code of the order.';
COMMENT ON COLUMN truust_order.status IS 'DRAFT, PENDING_PUBLISH, FAILURE, PUBLISHED, ACCEPTED, REJECTED, CANCELLED, PENDING_VALIDATE, PENDING_RELEASE, BLOCKED_RELEASE, RELEASED; the API may send others.';
COMMENT ON COLUMN truust_order.status_nicename IS 'The status as text for people.';
COMMENT ON COLUMN truust_order.payin_intents IS 'How often the buyer may try to pay.';
COMMENT ON COLUMN truust_order.payin_types IS 'Kinds of payment that are offered.';
COMMENT ON COLUMN truust_order.payin_fallback IS 'Kinds of payment that are offered where those fail.';
COMMENT ON COLUMN truust_order.published_at IS 'When it was paid.';
COMMENT ON COLUMN truust_order.connections IS 'Links to what belongs to it: customers, payins, payouts.';
COMMENT ON COLUMN truust_customer.uuid IS 'As customers are named in calls (customer_uuid); orders name them by id.';
COMMENT ON COLUMN truust_customer.prefix IS 'Country code of the telephone, as +34.';
COMMENT ON COLUMN truust_payin.reference IS 'Name of the payment at its provider.';
COMMENT ON COLUMN truust_payin.type IS 'Kind of payment.';
COMMENT ON COLUMN truust_payin.status IS 'CREATED, AUTHORIZED, CONFIRMED, DENIED, REFUNDED, CANCELLED; the API may send others.';
COMMENT ON COLUMN truust_payin.provider IS 'What the payment provider answered, in its own form.';
COMMENT ON COLUMN truust_payin.direct_link IS 'Where the buyer pays; with a saved card, what truust_charge_direct_link posts to.';
COMMENT ON COLUMN truust_payout.reference IS 'Name of the payment at its provider.';
COMMENT ON COLUMN truust_payout.status IS 'CREATED, CONFIRMED, DENIED, CANCELLED; the API may send others.';
COMMENT ON COLUMN truust_payout.provider IS 'What the payment provider answered, in its own form.';
COMMENT ON COLUMN truust_wallet.uuid IS 'As wallets are named in calls (wallet_uuid); payouts name them by id.';
COMMENT ON COLUMN truust_wallet.type IS 'Provider of the wallet; NULL for an ordinary one.';
COMMENT ON COLUMN truust_wallet.balance IS 'In units of the currency, exact.';
COMMENT ON COLUMN truust_wallet.currency IS 'Three letters (ISO 4217).';
COMMENT ON COLUMN truust_bank_account.number IS 'Masked.';
COMMENT ON COLUMN truust_card.type IS 'Brand of the card.';
COMMENT ON COLUMN truust_card.alias IS 'Number of the card, masked.';
COMMENT ON COLUMN truust_card.expiration IS 'As the API writes it.';
COMMENT ON COLUMN truust_card.tokenization_link IS 'Where the buyer enters the card; only in the answer of truust_create_card.';
COMMENT ON COLUMN truust_card.confirmed IS 'Whether it can be charged.';
COMMENT ON COLUMN truust_subscription.amount IS 'Price of each time, in units of the currency, exact.';
COMMENT ON COLUMN truust_subscription.currency IS 'Three letters (ISO 4217).';
COMMENT ON COLUMN truust_subscription.type IS 'Kind of payment.';
COMMENT ON COLUMN truust_subscription.status IS 'CREATED, ACTIVE, CANCELLED, EXPIRED; the API may send others.';
COMMENT ON COLUMN truust_verification.type IS 'INDIVIDUAL, SELFEMPLOYEE or LEGAL.';
COMMENT ON COLUMN truust_verification.status IS 'CREATED, PENDING, VALIDATED, REFUSED; the API may send others.';
COMMENT ON COLUMN truust_document.status IS 'CREATED, VALIDATED, REFUSED; the API may send others.';
COMMENT ON COLUMN truust_document.url IS 'Where the file can be seen.';
COMMENT ON COLUMN truust_refund.amount IS 'As text for people, with the sign of the currency.';
COMMENT ON COLUMN truust_refund.escrow_id IS 'Id of the order.';
COMMENT ON COLUMN truust_refund.status IS 'CREATED, CONFIRMED, DENIED, CANCELLED; the API may send others.';
COMMENT ON COLUMN truust_refund.provider IS 'What the payment provider answered, in its own form.';
COMMENT ON COLUMN truust_address.country IS 'Two letters (ISO 3166-1).';
COMMENT ON COLUMN truust_address.prefix IS 'Country code of the telephone, as +34.';
COMMENT ON COLUMN truust_transaction.type IS 'PAYIN, PAYOUT, REFUND and the like.';
COMMENT ON COLUMN truust_transaction.amount IS 'In units of the currency, exact.';
COMMENT ON COLUMN truust_transaction.currency IS 'Three letters (ISO 4217).';
COMMENT ON COLUMN truust_account.secret_key IS 'A secret: select what you need rather than all.';
COMMENT ON COLUMN truust_account.value_shipping IS 'Price of shipping in units of the currency.';
COMMENT ON COLUMN truust_account.country_code IS 'Two letters (ISO 3166-1).';
COMMENT ON COLUMN truust_bundle.value IS 'Price in units of the currency, exact.';
COMMENT ON COLUMN truust_bundle.value_shipping IS 'Price of shipping in units of the currency, exact.';
COMMENT ON COLUMN truust_bundle.amount IS 'Price as text for people; value is the number.';
COMMENT ON COLUMN truust_bundle.amount_shipping IS 'Price of shipping as text for people; value_shipping is the number.';
COMMENT ON COLUMN truust_bundle.expiration IS 'When the link ends.';
COMMENT ON COLUMN truust_bundle.expiration_unit IS 'How many are there, where they are limited.';
COMMENT ON COLUMN truust_bundle.expiration_amount IS 'Price after the end, in units of the currency, where it becomes another.';
COMMENT ON COLUMN truust_bundle.visits IS 'How often the link was opened.';

COMMENT ON COLUMN truust_order.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_customer.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_payin.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_payout.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_wallet.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_bank_account.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_card.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_subscription.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_verification.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_document.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_refund.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_address.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_transaction.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_account.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_bundle.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
