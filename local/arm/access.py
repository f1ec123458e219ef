"""Who may do what: bearer tokens, the actions of a role, and what was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from local.arm.errors import ArmError


@dataclass(frozen=True)
class Principal:
    """`actions` as a role definition spells them, with `*`; `scopes` are resource ids below which
    they hold, "/" for everything."""

    name: str = "owner"
    actions: tuple[str, ...] = ("*",)
    scopes: tuple[str, ...] = ("/",)

    def may(self, action: str, scope: str) -> bool:
        below = any(scope.lower().startswith(one.lower()) for one in self.scopes)
        return below and any(fnmatchcase(action.lower(), one.lower()) for one in self.actions)


@dataclass
class Access:
    """`asked` holds every action that was allowed, by the name of who asked."""

    tokens: dict[str, Principal] = field(default_factory=dict)
    asked: dict[str, set[str]] = field(default_factory=dict)

    def authenticate(self, header: str) -> Principal:
        """Raises ArmError 401, as ARM does for a token that is missing or not its own."""
        scheme, _, token = header.partition(" ")
        if scheme != "Bearer" or not token:
            raise ArmError(
                401, "AuthenticationFailed", "Authentication failed. The header is missing."
            )
        if token not in self.tokens:
            raise ArmError(401, "InvalidAuthenticationToken", "The access token is invalid.")
        return self.tokens[token]

    def require(self, principal: Principal, action: str, scope: str) -> None:
        """Raises ArmError 403 naming action and scope."""
        if not principal.may(action, scope):
            raise ArmError(
                403,
                "AuthorizationFailed",
                f"The client '{principal.name}' does not have authorization to perform action"
                f" '{action}' over scope '{scope}' or the scope is invalid.",
            )
        self.asked.setdefault(principal.name, set()).add(action)
