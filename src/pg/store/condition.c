/*
 * store/condition.c: is a text one SQL condition and nothing else?
 *
 * The condition stands in parentheses in the source query.  We parse the same
 * parentheses in the smallest query there is and look whether anything but the
 * condition came out of it: a closing parenthesis in the text could begin a
 * UNION, a LIMIT or another statement.  Names and rights are not looked at;
 * the query runs as the caller.
 */
#include "glue/compat.h"

#include "lib/stringinfo.h"

#include "store/source.h"

#define PREFIX "SELECT 1 WHERE ("

/* The parser's cursor is in our query, not in the statement that the user typed. */
static void
condition_error(void *arg)
{
	const char *query = arg;
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(query);
	}
	errcontext("option \"where\"");
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

void
lstm_check_condition(const char *condition)
{
	ErrorContextCallback callback;
	char	   *query = psprintf(PREFIX "%s\n)", condition);
	List	   *statements;

	callback.callback = condition_error;
	callback.arg = query;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	statements = lstm_raw_parse(query);
	if (!is_bare_condition(statements))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("option \"where\" is not one condition"),
				 errdetail("It is \"%s\".", condition),
				 errhint("Give what would stand behind WHERE, without the word.")));
	error_context_stack = callback.previous;
}
