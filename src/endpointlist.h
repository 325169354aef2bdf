/*-------------------------------------------------------------------------
 *
 * endpointlist.h
 *		The API's operations, one row each.
 *
 * X(operation, name, method, path, authenticated, repeat, lookup, why)
 *
 * operation is the API's operationId, name the SQL function without truust_,
 * path the template below the version path, with parameters as SQL names
 * them.  repeat and lookup say what may be done when it is unknown whether a
 * request was executed, and why says for what reason: money must not move
 * twice.  No include guard: a list is made to be included.
 *
 *-------------------------------------------------------------------------
 */
X("createAccount", "create_account", "POST", "/accounts", false, TRUUST_UNCERTAIN,
  TRUUST_LOOKUP_NONE, "no operation lists accounts, and the answer holds the new account's keys")
X("getAccount", "get_account", "GET", "/accounts/me", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("updateAccount", "update_account", "PUT", "/accounts/me", true, TRUUST_HARMLESS,
  TRUUST_LOOKUP_NONE, "sets the same values again")
X("getAccountFees", "get_account_fees", "GET", "/accounts/fees/{currency}", true, TRUUST_SAFE,
  TRUUST_LOOKUP_NONE, "a read changes nothing")
X("verifyAccount", "verify_account", "POST", "/accounts/verify", true, TRUUST_UNCERTAIN,
  TRUUST_LOOKUP_NONE, "a verification carries no marker, and a second one could go to review")
X("listCustomers", "list_customers", "GET", "/customers", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("createCustomer", "create_customer", "POST", "/customers", true, TRUUST_HARMLESS,
  TRUUST_LOOKUP_NONE,
  "a customer whose email or phone exists is returned, updated with the same values")
X("getCustomer", "get_customer", "GET", "/customers/{customer_uuid}", true, TRUUST_SAFE,
  TRUUST_LOOKUP_NONE, "a read changes nothing")
X("updateCustomer", "update_customer", "PUT", "/customers/{customer_uuid}", true, TRUUST_HARMLESS,
  TRUUST_LOOKUP_NONE, "sets the same values again")
X("listCustomerWallets", "list_customer_wallets", "GET", "/customers/{customer_uuid}/wallets", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE, "a read changes nothing")
X("listCustomerCards", "list_customer_cards", "GET", "/customers/{customer_uuid}/cards", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE, "a read changes nothing")
X("listCustomerBankAccounts", "list_customer_bank_accounts", "GET",
  "/customers/{customer_uuid}/bankaccounts", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("listCustomerAddresses", "list_customer_addresses", "GET", "/customers/{customer_uuid}/addresses",
  true, TRUUST_SAFE, TRUUST_LOOKUP_NONE, "a read changes nothing")
X("createCustomerAddress", "create_customer_address", "POST",
  "/customers/{customer_uuid}/addresses", true, TRUUST_FINDABLE, TRUUST_LOOKUP_ADDRESS_MARKER,
  "the customer's addresses are listed with their metadata and tag")
X("getCustomerAddress", "get_customer_address", "GET",
  "/customers/{customer_uuid}/addresses/{address_uuid}", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("updateCustomerAddress", "update_customer_address", "PUT",
  "/customers/{customer_uuid}/addresses/{address_uuid}", true, TRUUST_HARMLESS, TRUUST_LOOKUP_NONE,
  "sets the same metadata again")
X("createCustomerVerification", "create_customer_verification", "POST",
  "/customers/{customer_uuid}/verify", true, TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "a verification carries no marker: one that is there may be an older one")
X("getCustomerVerification", "get_customer_verification", "GET",
  "/customers/{customer_uuid}/verification", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("listCustomerSubscriptions", "list_customer_subscriptions", "GET",
  "/customers/{customer_uuid}/subscriptions", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("listOrders", "list_orders", "GET", "/orders", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("createOrder", "create_order", "POST", "/orders", true, TRUUST_FINDABLE,
  TRUUST_LOOKUP_ORDER_MARKER, "orders are listed with their metadata and tag, and searched by tag")
X("getOrder", "get_order", "GET", "/orders/{order_id}", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("updateOrder", "update_order", "PUT", "/orders/{order_id}", true, TRUUST_HARMLESS,
  TRUUST_LOOKUP_NONE, "sets the same values again")
X("getOrderPayin", "get_order_payin", "GET", "/orders/{order_id}/payin", true, TRUUST_SAFE,
  TRUUST_LOOKUP_NONE, "a read changes nothing")
X("getOrderPayout", "get_order_payout", "GET", "/orders/{order_id}/payout", true, TRUUST_SAFE,
  TRUUST_LOOKUP_NONE, "a read changes nothing")
X("acceptOrder", "accept_order", "POST", "/orders/{order_id}/accept", true, TRUUST_FINDABLE,
  TRUUST_LOOKUP_ORDER_STATUS,
  "the order is accepted, or past it, if it was executed; a second time would be refused")
X("cancelOrder", "cancel_order", "POST", "/orders/{order_id}/cancel", true, TRUUST_FINDABLE,
  TRUUST_LOOKUP_ORDER_STATUS,
  "the order is cancelled if it was executed; a second time would be refused")
X("validateOrder", "validate_order", "POST", "/orders/{order_id}/validate", true, TRUUST_FINDABLE,
  TRUUST_LOOKUP_ORDER_STATUS,
  "the order is validated, or released, if it was executed; an order is released once")
X("sendOrderReceipt", "send_order_receipt", "POST", "/orders/{order_id}/receipt", true,
  TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "an e-mail leaves no trace in the API, and a second one would reach the buyer")
X("reimburseOrder", "reimburse_order", "POST", "/orders/{order_id}/reimburse", true,
  TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "takes neither metadata nor tag: its refund cannot be told from another of the same amount, and "
  "money would move twice")
X("listPayins", "list_payins", "GET", "/payins", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("createPayin", "create_payin", "POST", "/payins", true, TRUUST_FINDABLE,
  TRUUST_LOOKUP_ORDER_PAYIN,
  "the order shows its payin: of this type and not known before, it is this one; anything else is "
  "left to a person")
X("getPayin", "get_payin", "GET", "/payins/{payin_id}", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("syncPayin", "sync_payin", "PUT", "/payins/{payin_id}", true, TRUUST_HARMLESS, TRUUST_LOOKUP_NONE,
  "asks the payment provider for the state again")
X("refundPayin", "refund_payin", "POST", "/payins/{payin_id}/refund", true, TRUUST_FINDABLE,
  TRUUST_LOOKUP_REFUND_MARKER,
  "refunds are listed with their metadata and tag; one without any that could be this one is left "
  "to a person")
X("cancelPreAuth", "cancel_pre_auth", "POST", "/payins/{payin_id}/cancelpreauth", true,
  TRUUST_FINDABLE, TRUUST_LOOKUP_PAYIN_STATUS,
  "the payin is cancelled if it was executed; a second time would be refused")
X("requestToPay", "request_to_pay", "POST", "/payins/{payin_id}/request", true, TRUUST_UNCERTAIN,
  TRUUST_LOOKUP_NONE,
  "a notification leaves no trace in the API, and a second one would reach the buyer")
X("listPayouts", "list_payouts", "GET", "/payouts", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("createPayout", "create_payout", "POST", "/payouts", true, TRUUST_FINDABLE,
  TRUUST_LOOKUP_ORDER_PAYOUT,
  "the order shows its payout: of this type and not known before, it is this one; anything else is "
  "left to a person")
X("getPayout", "get_payout", "GET", "/payouts/{payout_id}", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("syncPayout", "sync_payout", "POST", "/payouts/{payout_id}/update", true, TRUUST_HARMLESS,
  TRUUST_LOOKUP_NONE, "asks the payment provider for the state again")
X("getWallet", "get_wallet", "GET", "/wallets/{wallet_uuid}", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("updateWallet", "update_wallet", "PUT", "/wallets/{wallet_uuid}", true, TRUUST_HARMLESS,
  TRUUST_LOOKUP_NONE, "sets the same tag and metadata again")
X("listWallets", "list_wallets", "GET", "/wallets", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("createWallet", "create_wallet", "POST", "/wallets", true, TRUUST_FINDABLE,
  TRUUST_LOOKUP_WALLET_MARKER, "wallets are listed with their metadata and tag")
X("listWalletTransactions", "list_wallet_transactions", "GET",
  "/wallets/{wallet_uuid}/transactions", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("createBankAccount", "create_bank_account", "POST", "/bankaccounts", true, TRUUST_FINDABLE,
  TRUUST_LOOKUP_BANK_MARKER,
  "the customer's bank accounts are listed with their metadata and tag; without a customer it is "
  "left to a person")
X("getBankAccountValidation", "get_bank_account_validation", "GET", "/bankaccounts/validation",
  true, TRUUST_SAFE, TRUUST_LOOKUP_NONE, "a read changes nothing")
X("getBankAccount", "get_bank_account", "GET", "/bankaccounts/{bank_account_uuid}", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE, "a read changes nothing")
X("getCard", "get_card", "GET", "/cards/{card_uuid}", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("deleteCard", "delete_card", "DELETE", "/cards/{card_uuid}", true, TRUUST_FINDABLE,
  TRUUST_LOOKUP_CARD_GONE, "the card is gone if it was executed; a second time would be refused")
X("listSubscriptions", "list_subscriptions", "GET", "/subscriptions", true, TRUUST_SAFE,
  TRUUST_LOOKUP_NONE, "a read changes nothing")
X("createSubscription", "create_subscription", "POST", "/subscriptions", true, TRUUST_FINDABLE,
  TRUUST_LOOKUP_SUBSCRIPTION_MARKER,
  "subscriptions are listed with their metadata; one without a marker that could be this one is "
  "left to a person, because it would charge twice")
X("getSubscription", "get_subscription", "GET", "/subscriptions/{subscription_id}", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE, "a read changes nothing")
X("cancelSubscription", "cancel_subscription", "PUT", "/subscriptions/{subscription_id}/cancel",
  true, TRUUST_FINDABLE, TRUUST_LOOKUP_SUBSCRIPTION_STATUS,
  "the subscription is cancelled if it was executed; a second time would be refused")
X("listVerifications", "list_verifications", "GET", "/verifications", true, TRUUST_SAFE,
  TRUUST_LOOKUP_NONE, "a read changes nothing")
X("getVerification", "get_verification", "GET", "/verifications/{verification_uuid}", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE, "a read changes nothing")
X("submitVerification", "submit_verification", "PUT", "/verifications/{verification_uuid}", true,
  TRUUST_HARMLESS, TRUUST_LOOKUP_NONE, "creates or sets the same details again")
X("requestVerification", "request_verification", "POST",
  "/verifications/{verification_uuid}/request", true, TRUUST_FINDABLE,
  TRUUST_LOOKUP_VERIFICATION_STATUS,
  "the verification is no longer CREATED if it was executed; a second time would be refused")
X("listVerificationDocuments", "list_verification_documents", "GET",
  "/verifications/{verification_uuid}/documents", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("uploadVerificationDocument", "upload_verification_document", "POST",
  "/verifications/{verification_uuid}/documents", true, TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "a document carries no marker: one of the same type may be another")
X("getVerificationDocument", "get_verification_document", "GET",
  "/verifications/{verification_uuid}/documents/{document_uuid}", true, TRUUST_SAFE,
  TRUUST_LOOKUP_NONE, "a read changes nothing")
X("updateVerificationDocument", "update_verification_document", "PUT",
  "/verifications/{verification_uuid}/documents/{document_uuid}", true, TRUUST_HARMLESS,
  TRUUST_LOOKUP_NONE, "sets the same content again")
X("listBundles", "list_bundles", "GET", "/bundles", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("createBundle", "create_bundle", "POST", "/bundles", true, TRUUST_FINDABLE,
  TRUUST_LOOKUP_BUNDLE_MARKER, "bundles are listed with their metadata and tag")
X("listExpiredBundles", "list_expired_bundles", "GET", "/bundles/expired", true, TRUUST_SAFE,
  TRUUST_LOOKUP_NONE, "a read changes nothing")
X("getBundle", "get_bundle", "GET", "/bundles/{bundle_id}", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("updateBundle", "update_bundle", "PUT", "/bundles/{bundle_id}", true, TRUUST_HARMLESS,
  TRUUST_LOOKUP_NONE, "sets the same values again")
X("listBundleOrders", "list_bundle_orders", "GET", "/bundles/{bundle_id}/orders", true, TRUUST_SAFE,
  TRUUST_LOOKUP_NONE, "a read changes nothing")
X("listRefunds", "list_refunds", "GET", "/refunds", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("getRefund", "get_refund", "GET", "/refunds/{refund_id}", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("createCard", "create_card", "POST", "/customers/{customer_uuid}/cards", true, TRUUST_UNCERTAIN,
  TRUUST_LOOKUP_NONE, "a card carries no marker: one that is there may be an older one")
X("getForexRates", "get_forex_rates", "GET", "/forex/rates", true, TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
