"""``@task.braze_track``: a function that returns or yields rows, whose task pushes them.

Below stands the operator, which knows functions as rows; here is only what TaskFlow adds: arguments, and rows for
several arrays from one function.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, task_decorator_factory

from airflow_provider_braze.airflow_compat import AirflowFailException, arguments_for
from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.operators.rows_function import unrendered
from airflow_provider_braze.users_track.batching.merge_window import ARRAYS
from airflow_provider_braze.wrong_parameter import WrongParameterError

if TYPE_CHECKING:
    from airflow.sdk import Context

_GIVEN_BY_THE_FUNCTION = ("export", *ARRAYS)


class BrazeTrackDecoratedOperator(DecoratedOperator, BrazeUserTrackOperator):
    """
    Push the rows that a function returns or yields; what ``@task.braze_track`` makes of a function.

    The function is called when the task runs, and again by each retry and after each long wait: where it returns the
    same rows, the push goes on; where it yields them, they are sent from the start. It may also return
    ``{"attributes": [...], "events": [...]}``.

    :param python_callable: the function. An ``async`` one is refused.
    :param op_args: its arguments by position. (templated)
    :param op_kwargs: its arguments by name; of Airflow's context it gets what its signature names. (templated)
    :param array: which of Braze's arrays the rows are for: ``attributes`` (default), ``events`` or ``purchases``.
    :param kwargs: parameters of ``BrazeUserTrackOperator``, but for what to push.
    :raises BrazeSetupError: when the DAG is parsed: the function or a parameter is wrong.
    """

    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *(name for name in BrazeUserTrackOperator.template_fields if name not in _GIVEN_BY_THE_FUNCTION),
    )

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        array: str = "attributes",
        **kwargs: Any,
    ) -> None:
        _check(python_callable, array, kwargs)
        self.array = array
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            # Stands for the rows until the task runs: whichever array it will be, one is given.
            attributes=python_callable,
            **kwargs,
        )

    def _execute(self, context: Context, checkpoint: Mapping[str, Any] | None = None) -> dict[str, Any]:
        # Here and not in execute: after a long wait another process goes on, which has no rows yet.
        try:
            rows = self._rows(context)
        except BrazeSetupError as error:
            raise AirflowFailException(str(error)) from error
        for name in ARRAYS:
            setattr(self, name, unrendered(rows.get(name)))
        return super()._execute(context, checkpoint)

    def _rows(self, context: Context) -> Mapping[str, Any]:
        """Give what is for each array."""
        arguments = arguments_for(self.python_callable, self.op_args, {**context, **self.op_kwargs})

        def call() -> Any:
            return self.python_callable(*self.op_args, **arguments)

        if inspect.isgeneratorfunction(inspect.unwrap(self.python_callable)):
            # Called as often as the rows are gone through, which a guard on data points does twice.
            return {self.array: call}
        return self._by_array(call())

    def _by_array(self, returned: Any) -> Mapping[str, Any]:
        name = getattr(self.python_callable, "__name__", "the function")
        if returned is None:
            raise BrazeSetupError(
                f"{name} returned nothing: let it return a list of rows, which may be empty, or yield them."
            )
        if not isinstance(returned, Mapping):
            return {self.array: returned}
        if not returned or not set(returned) <= set(ARRAYS):
            raise BrazeSetupError(
                f"{name} returned one dict: let it return a list of rows, or a dict of such lists by the names "
                f"{', '.join(ARRAYS)}."
            )
        return returned


def _check(function: Callable[..., Any], array: str, given: Mapping[str, Any]) -> None:
    name = getattr(function, "__name__", "the function")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise WrongParameterError(f"{name} is async: @task.braze_track takes a plain function.")
    if array not in ARRAYS:
        raise WrongParameterError(f"array must be one of {', '.join(ARRAYS)}, not {array!r}.")
    if needless := [each for each in _GIVEN_BY_THE_FUNCTION if given.get(each) is not None]:
        raise WrongParameterError(
            f"@task.braze_track pushes what {name} gives: leave out {', '.join(needless)}. A function may return "
            f"a dict of lists by the names {', '.join(ARRAYS)}."
        )


def braze_track_task(
    python_callable: Callable[..., Any] | None = None, multiple_outputs: bool | None = None, **kwargs: Any
) -> TaskDecorator:
    """
    Make a task of a function that returns or yields rows; registered as ``@task.braze_track``.

    :param python_callable: the function.
    :param multiple_outputs: push each field of the report as an XCom of its own too (default: no).
    :param kwargs: parameters of :class:`BrazeTrackDecoratedOperator`.
    """
    return task_decorator_factory(
        python_callable=python_callable,
        # By itself Airflow would follow the function's annotation, and what the task returns is the report.
        multiple_outputs=bool(multiple_outputs),
        decorated_operator_class=BrazeTrackDecoratedOperator,
        **kwargs,
    )
