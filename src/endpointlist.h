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
X("createAccount", "create_account", "POST", "/accounts", false,
  TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "the API offers no way to find it again")
X("getAccount", "get_account", "GET", "/accounts/me", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("updateAccount", "update_account", "PUT", "/accounts/me", true,
  TRUUST_HARMLESS, TRUUST_LOOKUP_NONE,
  "sets the same values again")
X("getAccountFees", "get_account_fees", "GET", "/accounts/fees/{currency}", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("verifyAccount", "verify_account", "POST", "/accounts/verify", true,
  TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "the API offers no way to find it again")
X("listCustomers", "list_customers", "GET", "/customers", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("createCustomer", "create_customer", "POST", "/customers", true,
  TRUUST_HARMLESS, TRUUST_LOOKUP_NONE,
  "a customer whose email or phone exists is returned, updated")
X("getCustomer", "get_customer", "GET", "/customers/{customer_uuid}", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("updateCustomer", "update_customer", "PUT", "/customers/{customer_uuid}", true,
  TRUUST_HARMLESS, TRUUST_LOOKUP_NONE,
  "sets the same values again")
X("listCustomerWallets", "list_customer_wallets", "GET", "/customers/{customer_uuid}/wallets", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("listCustomerCards", "list_customer_cards", "GET", "/customers/{customer_uuid}/cards", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("listCustomerBankAccounts", "list_customer_bank_accounts", "GET", "/customers/{customer_uuid}/bankaccounts", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("listCustomerAddresses", "list_customer_addresses", "GET", "/customers/{customer_uuid}/addresses", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("createCustomerAddress", "create_customer_address", "POST", "/customers/{customer_uuid}/addresses", true,
  TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "the API offers no way to find it again")
X("getCustomerAddress", "get_customer_address", "GET", "/customers/{customer_uuid}/addresses/{address_uuid}", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("updateCustomerAddress", "update_customer_address", "PUT", "/customers/{customer_uuid}/addresses/{address_uuid}", true,
  TRUUST_HARMLESS, TRUUST_LOOKUP_NONE,
  "sets the same values again")
X("createCustomerVerification", "create_customer_verification", "POST", "/customers/{customer_uuid}/verify", true,
  TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "the API offers no way to find it again")
X("getCustomerVerification", "get_customer_verification", "GET", "/customers/{customer_uuid}/verification", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("listCustomerSubscriptions", "list_customer_subscriptions", "GET", "/customers/{customer_uuid}/subscriptions", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("listOrders", "list_orders", "GET", "/orders", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("createOrder", "create_order", "POST", "/orders", true,
  TRUUST_FINDABLE, TRUUST_LOOKUP_ORDER_MARKER,
  "metadata and tag come back with the order")
X("getOrder", "get_order", "GET", "/orders/{order_id}", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("updateOrder", "update_order", "PUT", "/orders/{order_id}", true,
  TRUUST_HARMLESS, TRUUST_LOOKUP_NONE,
  "sets the same values again")
X("getOrderPayin", "get_order_payin", "GET", "/orders/{order_id}/payin", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("getOrderPayout", "get_order_payout", "GET", "/orders/{order_id}/payout", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("acceptOrder", "accept_order", "POST", "/orders/{order_id}/accept", true,
  TRUUST_FINDABLE, TRUUST_LOOKUP_ORDER_STATUS,
  "the status of the order tells")
X("cancelOrder", "cancel_order", "POST", "/orders/{order_id}/cancel", true,
  TRUUST_FINDABLE, TRUUST_LOOKUP_ORDER_STATUS,
  "the status of the order tells")
X("validateOrder", "validate_order", "POST", "/orders/{order_id}/validate", true,
  TRUUST_FINDABLE, TRUUST_LOOKUP_ORDER_STATUS,
  "the status of the order tells")
X("sendOrderReceipt", "send_order_receipt", "POST", "/orders/{order_id}/receipt", true,
  TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "the API offers no way to find it again")
X("reimburseOrder", "reimburse_order", "POST", "/orders/{order_id}/reimburse", true,
  TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "the API offers no way to find it again")
X("listPayins", "list_payins", "GET", "/payins", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("createPayin", "create_payin", "POST", "/payins", true,
  TRUUST_FINDABLE, TRUUST_LOOKUP_ORDER_PAYIN,
  "the order has one payin at a time")
X("getPayin", "get_payin", "GET", "/payins/{payin_id}", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("syncPayin", "sync_payin", "PUT", "/payins/{payin_id}", true,
  TRUUST_HARMLESS, TRUUST_LOOKUP_NONE,
  "sets the same values again")
X("refundPayin", "refund_payin", "POST", "/payins/{payin_id}/refund", true,
  TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "the API offers no way to find it again")
X("cancelPreAuth", "cancel_pre_auth", "POST", "/payins/{payin_id}/cancelpreauth", true,
  TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "the API offers no way to find it again")
X("requestToPay", "request_to_pay", "POST", "/payins/{payin_id}/request", true,
  TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "the API offers no way to find it again")
X("listPayouts", "list_payouts", "GET", "/payouts", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("createPayout", "create_payout", "POST", "/payouts", true,
  TRUUST_FINDABLE, TRUUST_LOOKUP_ORDER_PAYOUT,
  "the order has one payout")
X("getPayout", "get_payout", "GET", "/payouts/{payout_id}", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("syncPayout", "sync_payout", "POST", "/payouts/{payout_id}/update", true,
  TRUUST_HARMLESS, TRUUST_LOOKUP_NONE,
  "asks the provider for the state again")
X("getWallet", "get_wallet", "GET", "/wallets/{wallet_uuid}", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("updateWallet", "update_wallet", "PUT", "/wallets/{wallet_uuid}", true,
  TRUUST_HARMLESS, TRUUST_LOOKUP_NONE,
  "sets the same values again")
X("listWallets", "list_wallets", "GET", "/wallets", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("createWallet", "create_wallet", "POST", "/wallets", true,
  TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "the API offers no way to find it again")
X("listWalletTransactions", "list_wallet_transactions", "GET", "/wallets/{wallet_uuid}/transactions", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("createBankAccount", "create_bank_account", "POST", "/bankaccounts", true,
  TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "the API offers no way to find it again")
X("getBankAccountValidation", "get_bank_account_validation", "GET", "/bankaccounts/validation", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("getBankAccount", "get_bank_account", "GET", "/bankaccounts/{bank_account_uuid}", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("getCard", "get_card", "GET", "/cards/{card_uuid}", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("deleteCard", "delete_card", "DELETE", "/cards/{card_uuid}", true,
  TRUUST_HARMLESS, TRUUST_LOOKUP_NONE,
  "what is gone stays gone")
X("listSubscriptions", "list_subscriptions", "GET", "/subscriptions", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("createSubscription", "create_subscription", "POST", "/subscriptions", true,
  TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "the API offers no way to find it again")
X("getSubscription", "get_subscription", "GET", "/subscriptions/{subscription_id}", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("cancelSubscription", "cancel_subscription", "PUT", "/subscriptions/{subscription_id}/cancel", true,
  TRUUST_HARMLESS, TRUUST_LOOKUP_NONE,
  "sets the same values again")
X("listVerifications", "list_verifications", "GET", "/verifications", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("getVerification", "get_verification", "GET", "/verifications/{verification_uuid}", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("submitVerification", "submit_verification", "PUT", "/verifications/{verification_uuid}", true,
  TRUUST_HARMLESS, TRUUST_LOOKUP_NONE,
  "sets the same values again")
X("requestVerification", "request_verification", "POST", "/verifications/{verification_uuid}/request", true,
  TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "the API offers no way to find it again")
X("listVerificationDocuments", "list_verification_documents", "GET", "/verifications/{verification_uuid}/documents", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("uploadVerificationDocument", "upload_verification_document", "POST", "/verifications/{verification_uuid}/documents", true,
  TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "the API offers no way to find it again")
X("getVerificationDocument", "get_verification_document", "GET", "/verifications/{verification_uuid}/documents/{document_uuid}", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("updateVerificationDocument", "update_verification_document", "PUT", "/verifications/{verification_uuid}/documents/{document_uuid}", true,
  TRUUST_HARMLESS, TRUUST_LOOKUP_NONE,
  "sets the same values again")
X("listBundles", "list_bundles", "GET", "/bundles", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("createBundle", "create_bundle", "POST", "/bundles", true,
  TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "the API offers no way to find it again")
X("listExpiredBundles", "list_expired_bundles", "GET", "/bundles/expired", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("getBundle", "get_bundle", "GET", "/bundles/{bundle_id}", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("updateBundle", "update_bundle", "PUT", "/bundles/{bundle_id}", true,
  TRUUST_HARMLESS, TRUUST_LOOKUP_NONE,
  "sets the same values again")
X("listBundleOrders", "list_bundle_orders", "GET", "/bundles/{bundle_id}/orders", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("listRefunds", "list_refunds", "GET", "/refunds", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("getRefund", "get_refund", "GET", "/refunds/{refund_id}", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
X("createCard", "create_card", "POST", "/customers/{customer_uuid}/cards", true,
  TRUUST_UNCERTAIN, TRUUST_LOOKUP_NONE,
  "the API offers no way to find it again")
X("getForexRates", "get_forex_rates", "GET", "/forex/rates", true,
  TRUUST_SAFE, TRUUST_LOOKUP_NONE,
  "a read changes nothing")
