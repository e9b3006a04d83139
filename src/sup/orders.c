/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What operators ask of the supervisor.  A request is a verb, a list of node
 * ids and perhaps a word:
 *
 *	start IDS	hold IDS SIGNAL		kill IDS SIGNAL
 *	pause IDS	resume IDS		restart IDS
 *	timeout IDS	loglevel IDS info|rpc|lent	disk IDS SETTING
 *
 * or one about links (faults_orders.c):
 *
 *	net LINKS SETTING	partition GROUPS	heal all
 *
 * and what concerns the membership (members.c), all nodes of the list at once:
 *
 *	add IDS|auto voter|learner	remove IDS
 *	cancel IDS			refill ID
 *
 * The answer is what was done or why not; it comes at once, and the command
 * that asked watches the rows for what follows.
 */
#include <bsd/string.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/options.h"
#include "shm/doorbell.h"
#include "sup/faults.h"
#include "sup/proc.h"
#include "sup/state.h"

#define TIMEOUT_LEAD_NS	(5 * CLOCK_NS_PER_MS)

struct order {
	const char *word;	/* "" when there is none */
	int signal;
	uint64_t timeout_at_ns;
	int status;		/* of the whole request */
	char text[CONTROL_REPLY_SIZE - 16];
};

static void order_machine(struct sup *, struct sup_node *, struct order *,
    enum machine_event, const char *);
static void order_start(struct sup *, struct sup_node *, struct order *);
static void order_hold(struct sup *, struct sup_node *, struct order *);
static void order_kill(struct sup *, struct sup_node *, struct order *);
static void order_pause(struct sup *, struct sup_node *, struct order *);
static void order_resume(struct sup *, struct sup_node *, struct order *);
static void order_restart(struct sup *, struct sup_node *, struct order *);
static void order_timeout(struct sup *, struct sup_node *, struct order *);
static void order_loglevel(struct sup *, struct sup_node *, struct order *);
static bool order_members(struct sup *, const char *, const char *,
    struct order *);
static void order_disk(struct sup *, struct sup_node *, struct order *);
static bool serve_links(struct sup *, const char *, const char *,
    struct order *);
static void tell(struct order *, int, const char *, ...) PRINTF_LIKE(3, 4);

static const struct {
	const char *name;
	void (*serve)(struct sup *, struct sup_node *, struct order *);
} verbs[] = {
	{ "start", order_start },
	{ "hold", order_hold },
	{ "kill", order_kill },
	{ "pause", order_pause },
	{ "resume", order_resume },
	{ "restart", order_restart },
	{ "timeout", order_timeout },
	{ "loglevel", order_loglevel },
	{ "disk", order_disk },
};

void
orders_serve(struct sup *sup, char *line, char *reply, size_t size)
{
	struct order order = { .word = NULL };
	char *save = NULL, *verb, *list;
	struct err_buf err;
	uint32_t i, ids, known = 0;

	verb = strtok_r(line, " ", &save);
	list = verb == NULL ? NULL : strtok_r(NULL, " ", &save);
	order.word = list == NULL ? NULL : strtok_r(NULL, " ", &save);
	if (order.word == NULL) {
		order.word = "";
	}
	if (verb != NULL && list != NULL && !sup->stopping &&
	    (serve_links(sup, verb, list, &order) ||
	    order_members(sup, verb, list, &order))) {
		nodes_spawn_wanted(sup);
		snprintf(reply, size, "%d %s\n", order.status, order.text);
		return;
	}
	for (i = 0; i < COUNT_OF(verbs); i++) {
		if (verb != NULL && strcmp(verb, verbs[i].name) == 0) {
			break;
		}
	}
	if (i == COUNT_OF(verbs) || list == NULL) {
		snprintf(reply, size, "64 the supervisor does not know this"
		    " request\n");
		return;
	}
	if (options_ids("nodes", list, &ids, &err) != 0) {
		snprintf(reply, size, "64 %s\n", err.text);
		return;
	}
	if (sup->stopping) {
		snprintf(reply, size, "69 the cluster is being stopped\n");
		return;
	}
	order.signal = atoi(order.word);
	sup->timeout_seq++;
	order.timeout_at_ns = clock_now_ns() + TIMEOUT_LEAD_NS;
	for (uint32_t n = 0; n < sup->count; n++) {
		uint32_t bit = OPTIONS_ID_BIT(sup->nodes[n].record->id);

		known |= bit;
		if ((ids & bit) != 0 && sup->nodes[n].retiring) {
			/* It ends for good; nothing starts it again. */
			tell(&order, 69, "node %u is being removed",
			    sup->nodes[n].record->id);
		} else if ((ids & bit) != 0) {
			verbs[i].serve(sup, &sup->nodes[n], &order);
		}
	}
	if ((ids & ~known) != 0) {
		tell(&order, 64, "no such node");
	}
	nodes_spawn_wanted(sup);
	snprintf(reply, size, "%d %s\n", order.status, order.text);
}

/* False: it is another verb. */
static bool
order_members(struct sup *sup, const char *verb, const char *list,
    struct order *order)
{
	uint32_t ids = 0, known = 0, i;
	struct err_buf err = { "" };
	bool adds = strcmp(verb, "add") == 0;
	int result = ERR_OK;

	if (!adds && strcmp(verb, "remove") != 0 &&
	    strcmp(verb, "cancel") != 0 && strcmp(verb, "refill") != 0) {
		return false;
	}
	for (i = 0; i < sup->count; i++) {
		known |= OPTIONS_ID_BIT(sup->nodes[i].record->id);
	}
	if (!adds || strcmp(list, "auto") != 0) {
		result = options_ids("nodes", list, &ids, &err);
	}
	if (result == ERR_OK && !adds && (ids & ~known) != 0) {
		result = err_set(&err, ERR_USAGE, "no such node");
	}
	if (result != ERR_OK) {
		tell(order, 64, "%s", err.text);
		return true;
	}
	if (adds) {
		result = members_add(sup, ids,
		    strcmp(order->word, "learner") == 0, order->text,
		    sizeof(order->text), &err);
	} else if (strcmp(verb, "remove") == 0) {
		result = members_remove(sup, ids, &err);
	} else if (strcmp(verb, "cancel") == 0) {
		result = members_cancel(sup, ids, &err);
	} else if ((ids & (ids - 1)) != 0) {
		result = err_set(&err, ERR_USAGE, "refill: one at a time");
	} else {
		result = members_refill(sup, (uint32_t)ffs((int)ids), &err);
	}
	if (result != ERR_OK) {
		order->text[0] = '\0';
		tell(order, err_exit_status(result), "%s", err.text);
	}
	return true;
}

/* Appends one node's part; the largest status is the whole's. */
static void
tell(struct order *order, int status, const char *fmt, ...)
{
	size_t length;
	va_list ap;

	if (order->text[0] != '\0') {
		strlcat(order->text, "; ", sizeof(order->text));
	}
	length = strlen(order->text);
	va_start(ap, fmt);
	vsnprintf(order->text + length, sizeof(order->text) - length, fmt, ap);
	va_end(ap);
	if (status > order->status) {
		order->status = status;
	}
}

static void
order_machine(struct sup *sup, struct sup_node *node, struct order *order,
    enum machine_event event, const char *done)
{
	uint32_t id = node->record->id;
	enum machine_state before = node->state;

	if (!nodes_step(sup, node, event)) {
		tell(order, 69, "node %u is %s", id,
		    machine_state_name(before));
		return;
	}
	nodes_publish(sup, node);
	tell(order, 0, "node %u %s", id, done);
	events_tell(sup, "Node %u: %s by an operator", id, done);
}

static void
order_start(struct sup *sup, struct sup_node *node, struct order *order)
{
	if (node->state == MACHINE_UP || node->state == MACHINE_STARTING) {
		tell(order, 0, "node %u is %s already", node->record->id,
		    machine_state_name(node->state));
		return;
	}
	order_machine(sup, node, order, MACHINE_START, "started");
}

static void
order_hold(struct sup *sup, struct sup_node *node, struct order *order)
{
	int signal = order->signal;

	if (!machine_is_alive(node->state) || signal == SIGTERM) {
		order_machine(sup, node, order, MACHINE_HOLD, "held");
		return;
	}
	/* Killed as it is, not asked to end; and then it stays down. */
	node->asked = true;
	node->state = MACHINE_ENDING;
	nodes_publish(sup, node);
	node->kill_ns = clock_now_ns() + SUP_STOP_GRACE_NS;
	proc_signal(node->pidfd, signal);
	tell(order, 0, "node %u (pid %d): signal %d sent, held",
	    node->record->id, node->row.pid, signal);
	events_tell(sup, "Node %u: signal %d sent by an operator, held",
	    node->record->id, signal);
}

static void
order_kill(struct sup *sup, struct sup_node *node, struct order *order)
{
	uint32_t id = node->record->id;

	if (node->pidfd < 0) {
		tell(order, 69, "node %u is %s: no process to signal", id,
		    machine_state_name(node->state));
		return;
	}
	if (order->signal == SIGSTOP) {
		order_pause(sup, node, order);
		return;
	}
	if (order->signal == SIGCONT && node->state == MACHINE_PAUSED) {
		order_resume(sup, node, order);
		return;
	}
	if (proc_signal(node->pidfd, order->signal) != 0) {
		tell(order, errno == EINVAL ? 64 : 69, "node %u: %s", id,
		    strerror(errno));
		return;
	}
	node->asked = true;
	tell(order, 0, "node %u (pid %d): signal %d sent", id, node->row.pid,
	    order->signal);
	events_tell(sup, "Node %u: signal %d sent by an operator", id,
	    order->signal);
}

static void
order_pause(struct sup *sup, struct sup_node *node, struct order *order)
{
	order_machine(sup, node, order, MACHINE_PAUSE, "paused");
}

static void
order_resume(struct sup *sup, struct sup_node *node, struct order *order)
{
	if (node->state == MACHINE_UP || node->state == MACHINE_STARTING) {
		tell(order, 0, "node %u is not paused", node->record->id);
		return;
	}
	order_machine(sup, node, order, MACHINE_RESUME, "resumed");
	nodes_tick(sup);
}

static void
order_restart(struct sup *sup, struct sup_node *node, struct order *order)
{
	order_machine(sup, node, order, MACHINE_RESTART, "restarted");
}

static void
order_timeout(struct sup *sup, struct sup_node *node, struct order *order)
{
	if (node->state != MACHINE_UP) {
		tell(order, 69, "node %u is %s", node->record->id,
		    machine_state_name(node->state));
		return;
	}
	node->row.timeout_seq = sup->timeout_seq;
	node->row.timeout_at_ns = order->timeout_at_ns;
	nodes_publish(sup, node);
	tell(order, 0, "node %u times out", node->record->id);
	events_tell(sup, "Node %u: election timer fired by an operator",
	    node->record->id);
}

static void
order_loglevel(struct sup *sup, struct sup_node *node, struct order *order)
{
	bool rpc = strcmp(order->word, "rpc") == 0;

	if (strcmp(order->word, "lent") == 0) {
		nodes_lend_log(sup, node);
		return;
	}
	if (!rpc && strcmp(order->word, "info") != 0) {
		tell(order, 64, "loglevel: info or rpc");
		return;
	}
	node->row.log_rpc = rpc;
	node->quiet_ns = 0;
	nodes_publish(sup, node);
	tell(order, 0, "node %u logs at level %s", node->record->id,
	    order->word);
}

static void
order_disk(struct sup *sup, struct sup_node *node, struct order *order)
{
	char text[FAULTS_TEXT_SIZE];
	int status = faults_disk(sup, node, order->word, text, sizeof(text));

	tell(order, status, "%s", text);
}

/* False: the verb is another one. */
static bool
serve_links(struct sup *sup, const char *verb, const char *list,
    struct order *order)
{
	char text[FAULTS_TEXT_SIZE];
	int status;

	if (strcmp(verb, "net") == 0) {
		status = faults_net(sup, list, order->word, text,
		    sizeof(text));
	} else if (strcmp(verb, "partition") == 0) {
		status = faults_partition(sup, list, text, sizeof(text));
	} else if (strcmp(verb, "heal") == 0) {
		status = faults_heal(sup, text, sizeof(text));
	} else {
		return false;
	}
	tell(order, status, "%s", text);
	return true;
}
