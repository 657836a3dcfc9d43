"""The Braze REST API for DAG authors.

Above: operators, sensors and triggers. Below: the calls by subject, a connection's workspace, and the client.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import requests
from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk.log import mask_secret

from airflow_provider_braze.airflow_compat import AirflowNotFoundException
from airflow_provider_braze.exceptions import (
    BrazeAuthError,
    BrazeError,
    BrazePermissionError,
    BrazeRequestError,
    BrazeSetupError,
    BrazeUnreachableError,
)
from airflow_provider_braze.hooks.answers import (
    check_status,
    check_success,
    is_braze_on_nothing,
    knows_key,
    no_answer,
)
from airflow_provider_braze.hooks.call_arguments import (
    given_data,
    given_headers,
    given_id,
    given_list,
    given_method,
    json_of,
)
from airflow_provider_braze.hooks.calls import again_where_it_helps
from airflow_provider_braze.hooks.cdi import CdiCalls
from airflow_provider_braze.hooks.connection_form import ConnectionForm
from airflow_provider_braze.hooks.curl_adapter import Bearer, CallBounds, CurlAdapter
from airflow_provider_braze.hooks.messaging import MessagingCalls
from airflow_provider_braze.hooks.users import UserCalls, given_users
from airflow_provider_braze.parameters import as_bool, as_optional_text, as_whole_number, is_unset
from airflow_provider_braze.pushes.rows.given_rows import sendable
from airflow_provider_braze.users_track.batching.batch import Batch
from airflow_provider_braze.users_track.rules import limits
from airflow_provider_braze.users_track.transport.client import MOST_ANSWER_BYTES, USER_AGENT
from airflow_provider_braze.users_track.transport.clusters import CLUSTERS
from airflow_provider_braze.users_track.transport.workspace import EXTRAS, Workspace, read_extra

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

_MOST_PROFILE_BYTES = 64_000_000
"""Fifty whole profiles can be larger than what other endpoints answer."""


class BrazeHook(ConnectionForm, MessagingCalls, UserCalls, CdiCalls, HttpHook):
    """
    Speak to Braze's REST API.

    The connection is read once per hook and its sockets are reused. Only the extras that mean something are read;
    none is ever sent as a header. Redirects are refused, and no answer is logged.

    :param braze_conn_id: connection of type ``braze``: host = REST endpoint, password = REST API key.
    :param method: HTTP method of :meth:`run`.
    """

    conn_name_attr = "braze_conn_id"
    default_conn_name = "braze_default"
    conn_type = "braze"
    hook_name = "Braze"

    def __init__(self, braze_conn_id: str = default_conn_name, method: str = "POST") -> None:
        conn_id = as_optional_text("braze_conn_id", braze_conn_id) or self.default_conn_name
        super().__init__(method=given_method(method), http_conn_id=conn_id)
        self.braze_conn_id = conn_id

    @cached_property
    def workspace(self) -> Workspace:
        """Endpoint, key and limits of the connection.

        :raises BrazeSetupError: a setting of the connection is wrong.
        """
        try:
            connection = self.get_connection(self.braze_conn_id)
        except AirflowNotFoundException:
            raise BrazeSetupError(
                f"There is no connection {self.braze_conn_id!r}: create it, of type Braze, or set braze_conn_id. "
                "If it is there, look at its extra: Airflow 3.1 takes a connection whose extra is not a JSON object "
                "for none."
            ) from None
        # Airflow's own reading takes what it cannot read for empty, and limits would silently be the defaults.
        extras = read_extra(connection.extra)
        mask_secret(extras)
        for name in set(extras) - set(EXTRAS):
            if extras[name] is not None:
                self.log.warning(
                    "The extra %r of connection %r means nothing here and is ignored; there are: %s.",
                    name,
                    self.braze_conn_id,
                    ", ".join(EXTRAS),
                )
        workspace = Workspace.from_settings(
            connection.host, connection.password, extras, scheme=connection.schema, port=connection.port
        )
        # Airflow masks the password as it was filled in, which may have blanks around the key.
        mask_secret(workspace.api_key)
        return workspace

    @cached_property
    def session(self) -> Session:
        """The session whose sockets all requests of this hook share."""
        return self.get_conn()

    def get_conn(
        self,
        headers: dict[Any, Any] | None = None,
        extra_options: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> Session:
        """Make a session; unlike ``HttpHook``, no extra of the connection becomes a header."""
        session = requests.Session()
        adapter = CurlAdapter(self.workspace)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        session.auth = Bearer(self.workspace.api_key)
        session.headers.update({"User-Agent": USER_AGENT, "Accept": "application/json", **(headers or {})})
        self.base_url = self.workspace.endpoint
        return session

    def run(
        self,
        endpoint: str | None = None,
        data: Mapping[str, Any] | list[Any] | str | bytes | None = None,
        headers: dict[str, Any] | None = None,
        extra_options: dict[str, Any] | None = None,
        *,
        method: str | None = None,
        **request_kwargs: Any,
    ) -> Response:
        """
        Call any endpoint once, without repeating it on trouble; proxy and certificates are those of a push.

        :param endpoint: path below the REST endpoint, such as ``/users/identify``.
        :param data: body (a dict or list is sent as JSON, and may hold what rows of ``BrazeUserTrackOperator`` may), or
            query parameters for ``GET``.
        :param headers: further headers of this request.
        :param extra_options: ``check_response=False`` gives the response whatever it says; ``most_bytes`` bounds the
            unpacked answer (default 4,000,000).
        :param method: HTTP method, instead of the hook's.
        :param request_kwargs: passed on to ``requests.Request``, such as ``json=`` or ``params=``.
        :return: the response, with a 2xx status, and nothing in it that says anything but success.
        :raises BrazeRequestError: any other status or saying, or no whole answer within the connection's ``timeout``
            and ``most_bytes``; its subclass says which.
        :raises BrazeSetupError: the connection or a parameter is wrong, or the body is no JSON; nothing was sent.
        """
        if not isinstance(extra_options, Mapping | None):
            raise BrazeSetupError(f"extra_options must be a dict, not {type(extra_options).__name__}.")
        options = extra_options or {}
        checked = as_bool("check_response", options.get("check_response"), default=True)
        most_bytes = as_whole_number(
            "most_bytes", options.get("most_bytes"), default=MOST_ANSWER_BYTES, minimum=1
        )
        method = given_method(self.method if is_unset(method) else method)
        parts = {**request_kwargs, **given_data(method, data)}
        prepared = self._prepare(method, self.url_of(endpoint), given_headers(headers), parts)
        response = self._send(self.session, prepared, most_bytes)
        if checked:
            self.check_response(response)
            check_success(response, prepared, self.workspace.redact)
        return response

    def _prepare(
        self, method: str, url: str, headers: dict[str, Any], parts: dict[str, Any]
    ) -> PreparedRequest:
        body = parts.pop("json", None)
        if body is not None:
            parts["data"] = json_of("the body", body)
        if method != "GET" or body is not None:
            headers.setdefault("Content-Type", "application/json")
        try:
            return self.session.prepare_request(requests.Request(method, url, headers=headers, **parts))
        except (requests.RequestException, TypeError, ValueError, AttributeError) as error:
            # Its text may hold a value.
            reason = type(error).__name__
        raise BrazeSetupError(f"No request can be made of {', '.join(('headers', *parts))}: {reason}.")

    def url_of(self, endpoint: str | None) -> str:
        """Give the URL of an endpoint of this connection's host."""
        path = endpoint or ""
        if not isinstance(path, str) or "://" in path or path.startswith("//"):
            raise BrazeSetupError(f"endpoint must be a path such as /users/identify, not {path!r}.")
        return f"{self.workspace.endpoint}/{path.strip('/')}"

    def _send(self, session: Session, request: PreparedRequest, most_bytes: int) -> Response:
        workspace = self.workspace
        bounds = CallBounds(workspace.connect_timeout, workspace.timeout, most_bytes)
        try:
            # What is a pair to requests is handed on to our adapter as it is.
            return session.send(request, timeout=bounds, allow_redirects=False)  # type: ignore[arg-type]
        except requests.RequestException as error:
            failure = BrazeUnreachableError(workspace.redact(no_answer(error, workspace.endpoint)))
        # Raised out here, so that the original, which may hold the request and with it the key, is not its context.
        raise failure

    def check_response(self, response: Response) -> None:
        """Raise the typed error of an answer that is not 2xx; nothing of its body is logged."""
        check_status(response, self.workspace.redact)

    def track_users(
        self,
        attributes: Sequence[Mapping[str, Any]] | None = None,
        events: Sequence[Mapping[str, Any]] | None = None,
        purchases: Sequence[Mapping[str, Any]] | None = None,
        partner: str | None = None,
    ) -> dict[str, Any]:
        """
        Send one ``/users/track`` request (``/users/track/bulk`` with the extra ``bulk``), once.

        For more than one request, and for an outcome of every row, use ``BrazeUserTrackOperator``.

        :param attributes: attribute objects, sent as given; they may hold what rows of ``BrazeUserTrackOperator`` may.
        :param events: event objects.
        :param purchases: purchase objects.
        :param partner: partner name that Braze assigned (default: the connection's).
        :return: Braze's answer: ``message``, the ``*_processed`` counts of what was queued, and ``errors`` for the
            objects that were refused (``type``, ``input_array``, ``index``).
        :raises BrazeSetupError: no object, more than the connection's ``objects_per_request``, or one that is no JSON,
            names nobody, or has an id that is none.
        :raises BrazeRequestError: Braze took none of them; ``errors`` says why.
        """
        given = {"attributes": attributes, "events": events, "purchases": purchases}
        objects = [
            sendable(array, index, row)
            for array, rows in given.items()
            for index, row in enumerate(given_list(array, rows))
        ]
        if not 0 < len(objects) <= self.workspace.objects_per_request:
            raise BrazeSetupError(
                f"track_users takes 1 to {self.workspace.objects_per_request} objects in all, not {len(objects)}; "
                "BrazeUserTrackOperator takes any number."
            )
        own = as_optional_text("partner", partner) or self.workspace.partner
        return self.answer_to(self.workspace.path, Batch(objects).body(own))

    def export_users(
        self,
        external_ids: Sequence[str] | None = None,
        user_aliases: Sequence[Mapping[str, str]] | None = None,
        *,
        braze_id: str | None = None,
        email_address: str | None = None,
        phone: str | None = None,
        device_id: str | None = None,
        fields_to_export: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """
        Look profiles up by identifier, 50 ids a request.

        :param external_ids: any number of external ids.
        :param user_aliases: any number of ``{"alias_name", "alias_label"}``.
        :param braze_id: one Braze id.
        :param email_address: one e-mail address.
        :param phone: one phone number.
        :param device_id: one device id.
        :param fields_to_export: fields of the profiles (default: all; Braze requires it of newer workspaces).
        :return: ``{"users": [...], "invalid_user_ids": [...]}``; the latter are ids that match no profile.
        :raises BrazeSetupError: nothing to look up, more than one single identifier, or one that can be none.
        :raises BrazeRequestError: Braze refused, or did not answer.
        """
        single = {
            "braze_id": braze_id,
            "email_address": email_address,
            "phone": phone,
            "device_id": device_id,
        }
        singles = {
            name: given_id(name, value)
            for name, value in single.items()
            if value is not None and not (isinstance(value, str) and not value)
        }
        several = {"external_ids": external_ids, "user_aliases": user_aliases}
        ids = [(name, each) for name, given in several.items() for each in given_users(name, given)]
        if bool(ids) + len(singles) != 1:
            raise BrazeSetupError(
                "export_users takes external_ids and user_aliases, or exactly one of " + ", ".join(single)
            )
        found: dict[str, Any] = {"users": [], "invalid_user_ids": []}
        most = limits.EXPORT_IDS_PER_REQUEST
        for start in range(0, max(len(ids), 1), most):
            body: dict[str, Any] = dict(singles)
            if fields_to_export is not None:
                body["fields_to_export"] = given_list("fields_to_export", fields_to_export)
            for name, value in ids[start : start + most]:
                body.setdefault(name, []).append(value)
            answer = again_where_it_helps(
                partial(self.answer_to, "/users/export/ids", body, most_bytes=_MOST_PROFILE_BYTES)
            )
            for name, value in found.items():
                if isinstance(more := answer.get(name), list):
                    value += more
        return found

    def test_connection(self) -> tuple[bool, str]:
        """Ask Braze with an empty ``/users/track`` request, which changes nothing, and say what is wrong."""
        try:
            response = self.run(
                self.workspace.path, {}, method="POST", extra_options={"check_response": False}
            )
            if is_braze_on_nothing(response):
                return True, f"Braze knows the key, and it may push (permission {self.workspace.permission})."
            self.check_response(response)
        except BrazeAuthError:
            return False, self._whose_key()
        except BrazePermissionError:
            return (
                False,
                f"Missing permission (403): the key is right, but lacks {self.workspace.permission} or is not allowed "
                "from here.",
            )
        except BrazeUnreachableError as error:
            return False, f"Unreachable host: {error}"
        except (BrazeRequestError, BrazeError) as error:
            return False, str(error)
        return False, "The host answers, but not as Braze does: is it the REST endpoint of your cluster?"

    def _whose_key(self) -> str:
        """After a 401, ask the other clusters: Braze answers a wrong key and a wrong cluster alike."""
        own = self.workspace.endpoint
        if own not in CLUSTERS.values():
            return (
                "Wrong key or wrong cluster (401): this host does not know the key. Check that the key is whole and "
                "that the host is the REST endpoint of its cluster."
            )
        others = {name: url for name, url in CLUSTERS.items() if url != own}
        with ThreadPoolExecutor(len(others)) as pool:
            known = list(pool.map(partial(knows_key, self.workspace), others.values()))
        for (name, url), knows in zip(others.items(), known, strict=True):
            if knows:
                return f"Wrong cluster: this key belongs to {name}; set the host to {url}."
        return "Wrong key (401): no Braze cluster that answers knows it. Copy it again, or make a new one."
