/*
 * store/condition.c: is a text one SQL condition and nothing else?
 *
 * The condition stands in parentheses in the source query.  We parse the same
 * parentheses in the smallest query there is and look whether anything but the
 * condition came out of it: a closing parenthesis in the text could begin a
 * UNION, a LIMIT or another statement.  And once more without them, where a parenthesis
 * that closes ours has none to close.  Names and rights are not looked at;
 * the query runs as the caller.
 */
#include "glue/compat.h"

#include "lib/stringinfo.h"

#include "store/source.h"

#define PREFIX "SELECT 1 WHERE "

typedef struct Checked
{
	const char *query;
	const char *what;
} Checked;

/* The parser's cursor is in our query, not in the statement that the user typed. */
static void
condition_error(void *arg)
{
	const Checked *checked = arg;
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(checked->query);
	}
	errcontext("%s", checked->what);
}

static bool
is_bare_condition(List *statements)
{
	SelectStmt *select;

	if (list_length(statements) != 1)
		return false;
	select = (SelectStmt *) linitial_node(RawStmt, statements)->stmt;
	return IsA(select, SelectStmt) &&
		select->op == SETOP_NONE && list_length(select->targetList) == 1 &&
		select->whereClause != NULL && select->distinctClause == NIL &&
		select->intoClause == NULL && select->fromClause == NIL &&
		select->groupClause == NIL && select->havingClause == NULL &&
		select->windowClause == NIL && select->valuesLists == NIL &&
		select->sortClause == NIL && select->limitOffset == NULL &&
		select->limitCount == NULL && select->lockingClause == NIL &&
		select->withClause == NULL;
}

/* Is the query, which ends with the condition, that and nothing more? */
static bool
parses_as_condition(const char *query, const char *what)
{
	Checked		checked = {query, what};
	ErrorContextCallback callback = {error_context_stack, condition_error, &checked};
	bool		is_bare;

	error_context_stack = &callback;
	is_bare = is_bare_condition(lstm_raw_parse(query));
	error_context_stack = callback.previous;
	return is_bare;
}

/* With and without parentheses: what is balanced in both is balanced by itself. */
void
lstm_check_condition(const char *condition, const char *what)
{
	if (!parses_as_condition(psprintf(PREFIX "(%s\n)", condition), what) ||
		!parses_as_condition(psprintf(PREFIX "%s\n", condition), what))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("%s is not one condition", what),
				 errdetail("It is \"%s\".", condition),
				 errhint("Give what would stand behind WHERE, without the word.")));
}
