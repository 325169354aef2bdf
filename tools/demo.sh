#!/usr/bin/env bash
# tools/demo.sh: from nothing to a paid-out order, every step as the SQL that one would type.
#
# Starts a throwaway server with the workers, an API simulator, and truust-receiver between the two; all of it is
# gone at the end.  KEEP=1 opens psql there first (without a terminal: waits until it is stopped).
# SERVER=sandbox KEY_FILE=... walks against Truust's sandbox with your own key; what only the simulator can do (a buyer
# who pays at once, webhooks to this machine) is told instead.  SUBDOMAIN=... where your account has one of its own; SERVER may
# also be the base URL of something that speaks the API.  NO_COLOR=1 for plain text.

. "$(dirname "$0")/lib.sh"

SERVER=${SERVER:-simulator}
KEEP=${KEEP:-}
WIDTH=${COLUMNS:-100}

# ------------------------------------------------------------------ how it looks

number=0

# step TITLE
step()
{
	number=$((number + 1))
	printf '\n%s%2d  %s%s\n' "$BOLD" "$number" "$1" "$PLAIN"
}

note()
{
	printf '%s%s%s\n' "$DIM" "$1" "$PLAIN" | fold -s -w "$WIDTH" | sed 's/^/    /'
}

indent()
{
	sed 's/^/    /'
}

# sql TEXT: shows a statement and runs it; what came back stays in $result.
sql()
{
	printf '%s%s%s\n' "$BLUE" "$1" "$PLAIN" | indent
	if ! result=$(psql -X -v ON_ERROR_STOP=1 -P footer=off -P null=- -c "$1" 2>&1)
	then
		printf '%s\n' "$result" | indent
		trouble
	fi
	case $1 in
		SELECT*)
			# A function that returns nothing has nothing to show.
			[ "$(grep -c '[^[:space:]]' <<<"$result")" -le 2 ] ||
				printf '%s\n' "$result" | sed 's/[[:space:]]*$//' | grep -v '^$' | indent
			;;
		*) printf '%s%s%s\n' "$DIM" "$(tail -n 1 <<<"$result")" "$PLAIN" | indent ;;
	esac
}

# first: the first value of the first row of $result.
first()
{
	awk 'NR == 3 { print $1; exit }' <<<"$result"
}

# shell COMMAND...: shows a command of the shell and runs it silently.
shell()
{
	printf '%s$ %s%s\n' "$BLUE" "$1" "$PLAIN" | indent
	shift
	"$@" >/dev/null || trouble
}

ask()
{
	psql -XAtq -c "$1" 2>/dev/null
}

# wait_for SQL: until it says t; twenty seconds are a failure.
wait_for()
{
	local end=$((SECONDS + 20))

	until [ "$(ask "$1")" = t ]
	do
		[ $SECONDS -lt $end ] || { printf '%s\n' "waited in vain for: $1" | indent; trouble; }
		sleep 0.05
	done
}

trouble()
{
	printf '\n%s\n' "the end of the server's log:"
	tail -n 15 "$PGLOG" | indent
	[ -z "${receiver_log:-}" ] || tail -n 5 "$receiver_log" | indent
	fail "the demo failed at step $number"
}

# control METHOD PATH [BODY]: what only the simulator can be told.
control()
{
	curl -sS --noproxy '*' --fail-with-body --max-time 10 -X "$1" "$TRUUST_SIM$2" ${3:+--data "$3"}
}

# ------------------------------------------------------------------ the walk

# truust-receiver: between whoever sends webhooks and the database.
start_receiver()
{
	local port

	receiver_log=$PGHOST/receiver.log
	(umask 077 && echo "token-of-the-demo" >"$PGHOST/tokens")
	"$TOP/src/receiver/truust-receiver" --listen 127.0.0.1:0 --token-file "$PGHOST/tokens" --spool "$PGHOST/spool" \
		--dsn "host=$PGHOST dbname=$PGDATABASE user=web" >"$receiver_log" 2>&1 &
	receiver=$!
	# shellcheck disable=SC2317
	stop_receiver() { kill "$receiver" 2>/dev/null; wait "$receiver" 2>/dev/null; }
	at_end stop_receiver
	for _ in $(seq 100)
	do
		port=$(sed -nE 's/.*(port |127\.0\.0\.1:)([0-9]+).*/\2/p' "$receiver_log" | head -n 1)
		[ -z "$port" ] || break
		sleep 0.05
	done
	[ -n "$port" ] || trouble
	receiver_url=http://127.0.0.1:$port/token-of-the-demo
}

install()
{
	step "Install and configure"
	sql "CREATE EXTENSION truust;"
	if [ "$SERVER" = simulator ]
	then
		sql "CREATE SERVER truust FOREIGN DATA WRAPPER truust OPTIONS (base_url '$TRUUST_BASE_URL');"
		sql "CREATE USER MAPPING FOR CURRENT_USER SERVER truust OPTIONS (secret_key 'sk_stage_any_will_do_here');"
	else
		case $SERVER in
			http*) sql "CREATE SERVER truust FOREIGN DATA WRAPPER truust OPTIONS (base_url '$SERVER');" ;;
			*)
				[ -z "${SUBDOMAIN:-}" ] || subdomain=", subdomain '$SUBDOMAIN'"
				sql "CREATE SERVER truust FOREIGN DATA WRAPPER truust OPTIONS (environment '$SERVER'${subdomain:-});"
				;;
		esac
		sql "CREATE USER MAPPING FOR CURRENT_USER SERVER truust OPTIONS (secret_key_file '$KEY_FILE');"
	fi
	wait_for "SELECT count(*) >= 2 FROM truust_status() WHERE database = current_database() AND state = 'idle'"
	sql "SELECT database, worker, state FROM truust_status();"
}

customers()
{
	local tag

	tag=$(date +%s)
	step "A buyer and a seller"
	sql "SELECT id, name, email FROM truust_create_customer(name => 'Ana Buyer', email => 'ana.$tag@example.com');"
	buyer=$(first)
	sql "SELECT id, name, email FROM truust_create_customer(name => 'Sam Seller', email => 'sam.$tag@example.com');"
	seller=$(first)
}

call_order()
{
	step "An order, by a call"
	sql "SELECT id, status, value, currency, buyer_link
  FROM truust_create_order(name => 'Helmet', value => 39.90, buyer_id => $buyer, seller_id => $seller);"
}

shop_order()
{
	step "An order, from your own table: attach it once, then just insert"
	sql "CREATE SCHEMA shop;"
	sql "CREATE TABLE shop.orders (id bigint PRIMARY KEY, title text, total numeric, buyer bigint, seller bigint,
    truust_id bigint, payment_status text, payment_url text);"
	sql "SELECT truust_attach('shop.orders',
    args => '{\"name\": \"title\", \"value\": \"total\", \"buyer_id\": \"buyer\", \"seller_id\": \"seller\"}',
    order_id => 'truust_id', status => 'payment_status', link => 'payment_url');"
	sql "INSERT INTO shop.orders VALUES (4711, 'Blue bicycle', 120.50, $buyer, $seller);"
	note "Sent by the worker after the commit; the answer comes back into the row:"
	wait_for "SELECT truust_id IS NOT NULL FROM shop.orders WHERE id = 4711"
	sql "SELECT id, title, total, truust_id, payment_status, payment_url FROM shop.orders;"
	order=$(ask "SELECT truust_id FROM shop.orders WHERE id = 4711")
	link=$(ask "SELECT payment_url FROM shop.orders WHERE id = 4711")
}

payin()
{
	step "How the buyer will pay"
	sql "SELECT id, status, type, direct_link FROM truust_create_payin(order_id => $order, type => 'REDSYS_V2');"
}

# The intake is held for a moment, so that the webhook can be seen in it.
pay()
{
	step "The buyer pays; the webhook goes through truust-receiver into the database"
	ask "SELECT truust_pause('webhooks', 'so that the demo can show the intake')" >/dev/null
	shell "curl -X POST $link" curl -sS --noproxy '*' --fail --max-time 10 -X POST "$link"
	wait_for "SELECT count(*) >= 1 FROM truust.webhooks"
	sql "SELECT id, event, order_id, left(convert_from(body, 'UTF8'), 48) || '…' AS body FROM truust.webhooks;"
	note "The worker applies it:"
	ask "SELECT truust_resume('webhooks')" >/dev/null
	wait_for "SELECT status = 'PUBLISHED' FROM truust.orders WHERE id = $order"
	wait_for "SELECT NOT EXISTS (SELECT FROM truust.webhooks)"
	sql "SELECT id, status, previous_status FROM truust.orders WHERE id = $order;"
}

deliver()
{
	step "The seller accepts, the money is paid out"
	sql "SELECT id, status FROM truust_accept_order($order);"
	sql "SELECT id, type, number
  FROM truust_create_bank_account(name => 'Sam Seller', type => 'IBAN', number => 'ES9121000418450200051332', customer_id => $seller);"
	sql "SELECT id, status, type FROM truust_create_payout(order_id => $order, type => 'ACCOUNT', bankaccount_id => $(first));"
	wait_for "SELECT status = 'PENDING_VALIDATE' FROM truust.orders WHERE id = $order"
	sql "SELECT id, status FROM truust_validate_order($order);"
	wait_for "SELECT status = 'RELEASED' FROM truust.orders WHERE id = $order"
	wait_for "SELECT NOT EXISTS (SELECT FROM truust.webhooks)"
}

history()
{
	step "Every step is kept, and your table followed"
	sql "SELECT event, previous_status, status, source, outcome FROM truust.events WHERE order_id = $order ORDER BY id;"
	sql "SELECT id, title, truust_id, payment_status FROM shop.orders;"
}

# Sends the first webhook and the last one of the order again.
again()
{
	local first_seq last_seq events

	step "A late webhook and a duplicate change nothing"
	events=$(ask "SELECT count(*) FROM truust.events WHERE order_id = $order AND outcome = 'applied'")
	first_seq=$(control GET /_sim/webhooks | grep -oE '"seq": ?[0-9]+' | grep -oE '[0-9]+' | sort -n | head -n 1)
	last_seq=$(control GET /_sim/webhooks | grep -oE '"seq": ?[0-9]+' | grep -oE '[0-9]+' | sort -n | tail -n 1)
	shell "(the simulator sends webhook $first_seq and webhook $last_seq once more)" control POST /_sim/webhooks/resend "{\"seq\": $first_seq}"
	control POST /_sim/webhooks/resend "{\"seq\": $last_seq}" >/dev/null
	control POST /_sim/webhooks/wait '{"ms": 10000}' >/dev/null
	wait_for "SELECT NOT EXISTS (SELECT FROM truust.webhooks)"
	sql "SELECT o.status, (SELECT count(*) FROM truust.events e WHERE e.order_id = o.id AND outcome = 'applied') AS applied
  FROM truust.orders o WHERE id = $order;"
	[ "$(first)" = RELEASED ] || trouble
	[ "$(ask "SELECT count(*) FROM truust.events WHERE order_id = $order AND outcome = 'applied'")" = "$events" ] || trouble
}

# A session that listens from the start; psql tells what it heard when it is next asked something.
listen()
{
	coproc LISTENER { psql -XAtq 2>&1; }
	# a copy, because bash closes the coprocess's own descriptors in subshells
	exec {HEARD}<&"${LISTENER[0]}"
	printf 'LISTEN truust;\n\\echo listening\n' >&"${LISTENER[1]}"
	read -r _ <&"$HEARD"
}

heard()
{
	local line

	step "And whoever listened was told"
	printf '%s%s%s\n' "$BLUE" "LISTEN truust;" "$PLAIN" | indent
	printf 'SELECT 1;\n\\echo the-end\n' >&"${LISTENER[1]}"
	while read -r line <&"$HEARD" && [ "$line" != the-end ]
	do
		sed -n 's/^Asynchronous notification "truust" with payload "\(.*\)" received.*/\1/p' <<<"$line"
	done | indent
	echo '\q' >&"${LISTENER[1]}"
}

walk_simulator()
{
	psql -Xq -c "CREATE ROLE web LOGIN"
	listen
	install
	psql -Xq -c "SELECT truust_grant('intake', 'web')" >/dev/null
	start_receiver
	control POST /_sim/settings "{\"auto_release_ms\": 200, \"webhooks\": [{\"url\": \"$receiver_url\", \"events\": [\"*\"], \"append_event\": true}]}" >/dev/null
	customers
	call_order
	shop_order
	payin
	pay
	deliver
	history
	again
	heard
}

walk_account()
{
	install
	step "Whose account it is"
	sql "SELECT name, email, sandbox FROM truust_get_account();"
	customers
	call_order
	shop_order
	payin
	step "The buyer pays"
	note "Open $link in a browser and pay with a test card. Truust then sends a webhook to the address that its dashboard has for your account; let it point to a truust-receiver that your database is behind. No webhook finds this throwaway server, so it asks:"
	sql "SELECT id, status FROM truust_get_order($order);"
	sql "SELECT event, previous_status, status, source FROM truust.events WHERE order_id = $order ORDER BY id;"
}

stay()
{
	if [ -t 0 ] && [ -t 1 ]
	then
		printf '\n%s%s%s\n' "$BOLD" 'The server is yours until you leave psql with \q.' "$PLAIN"
		[ -z "${TRUUST_SIM:-}" ] || note "the buyer of an order pays by: curl -X POST <buyer_link>; the simulator is at $TRUUST_SIM"
		psql -X || true
	else
		printf '\n%s\n' "The server stays until process $$ is stopped: kill $$"
		note "psql -h $PGHOST -p $PGPORT -U $PGUSER $PGDATABASE"
		[ -z "${TRUUST_SIM:-}" ] || note "simulator: $TRUUST_SIM"
		while sleep 1; do :; done
	fi
}

# ------------------------------------------------------------------ before it and after it

prepare()
{
	local goals='all'

	case $SERVER in
		simulator) goals='all simulator receiver' ;;
		sandbox | http*) [ -r "${KEY_FILE:-}" ] || fail "SERVER=sandbox needs KEY_FILE=<file with the secret key>" ;;
		*) fail "SERVER is simulator, sandbox, or a base URL" ;;
	esac
	tools/setup build programs server demo || fail "the packages are not there"
	work_area
	printf '%s' "building … "
	# shellcheck disable=SC2086
	for goal in $goals
	do
		quiet "$WORK/build.log" make -s --no-print-directory -j"$(nproc)" "$goal" || fail "the build failed"
	done
	copy_tree
	copy_server
	say "done ($SECONDS s)"
	if [ "$SERVER" != simulator ]
	then
		# Only the server's user may read it; it is gone with the work area.
		install_key=$WORK/home/key
		(umask 077 && tr -d '[:space:]' <"$KEY_FILE" >"$install_key")
		own "$install_key"
		export KEY_FILE=$install_key
	fi
	export TRUUST_PREPARED=1 SERVER KEEP BOLD DIM BLUE PLAIN
}

cd "$TOP"
if [ "${1:-}" = --walk ]
then
	if [ "$SERVER" = simulator ]
	then
		walk_simulator
	else
		walk_account
	fi
	[ -z "$KEEP" ] || stay
	exit
fi

prepare
if [ "$SERVER" = simulator ]
then
	tools/with-cluster -d demo tools/with-simulator tools/demo.sh --walk
else
	tools/with-cluster -d demo tools/demo.sh --walk
fi
printf '\n%s%s%s\n' "$GREEN" "That was all of it, and nothing is left running. To keep playing: make demo KEEP=1" "$PLAIN"
