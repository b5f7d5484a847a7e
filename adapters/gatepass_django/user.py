"""`request.user` of a request with a token, with the attributes that Django and REST framework read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NoReturn, final

from django.db.models.manager import EmptyManager

from gatepass import AccessToken

__all__ = ["AccessTokenUser"]

_NO_ROW: Final = (
    "the user of an access token has no row in the database: look up your own user by request.user.pk, the "
    "token's subject"
)


@final
class AccessTokenUser:
    """A user with only the subject of a token, who need not exist in the project's database.

    The user is authenticated and active, is neither staff nor superuser, and has none of Django's permissions and
    groups: the scopes and roles of the token grant access. It cannot be saved, and no foreign key can reference it.
    """

    __slots__ = ("token",)

    is_authenticated: Final[bool] = True
    is_anonymous: Final[bool] = False
    is_active: Final[bool] = True
    is_staff: Final[bool] = False
    is_superuser: Final[bool] = False

    def __init__(self, token: AccessToken) -> None:
        self.token: AccessToken = token

    @property
    def pk(self) -> str:
        return self.token.subject

    @property
    def id(self) -> str:
        return self.pk

    @property
    def username(self) -> str:
        return self.pk

    def get_username(self) -> str:
        return self.pk

    def __str__(self) -> str:
        return "token user"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccessTokenUser) and (other.token.issuer, other.pk) == (self.token.issuer, self.pk)

    def __hash__(self) -> int:
        return hash((self.token.issuer, self.pk))

    # --- Django's permissions: none; the project's backends are not called

    @property
    def groups(self) -> EmptyManager[Any]:
        from django.contrib.auth.models import Group  # noqa: PLC0415 - a project may not install these models

        return EmptyManager(Group)

    @property
    def user_permissions(self) -> EmptyManager[Any]:
        from django.contrib.auth.models import Permission  # noqa: PLC0415 - as above

        return EmptyManager(Permission)

    def get_user_permissions(self, obj: object = None) -> set[str]:  # noqa: ARG002 - Django's signature, and below
        return set()

    def get_group_permissions(self, obj: object = None) -> set[str]:  # noqa: ARG002
        return set()

    def get_all_permissions(self, obj: object = None) -> set[str]:  # noqa: ARG002
        return set()

    def has_perm(self, perm: str, obj: object = None) -> bool:  # noqa: ARG002
        return False

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        """Return whether *perm_list* is empty: REST framework requires no permission to read a model."""
        if isinstance(perm_list, str):
            raise ValueError("perm_list must be an iterable of permissions.")  # noqa: TRY004 - as Django does
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:  # noqa: ARG002
        return False

    async def aget_user_permissions(self, obj: object = None) -> set[str]:
        return self.get_user_permissions(obj)

    async def aget_group_permissions(self, obj: object = None) -> set[str]:
        return self.get_group_permissions(obj)

    async def aget_all_permissions(self, obj: object = None) -> set[str]:
        return self.get_all_permissions(obj)

    async def ahas_perm(self, perm: str, obj: object = None) -> bool:
        return self.has_perm(perm, obj)

    async def ahas_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        return self.has_perms(perm_list, obj)

    async def ahas_module_perms(self, app_label: str) -> bool:
        return self.has_module_perms(app_label)

    # --- no row in a table

    def save(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError(_NO_ROW)

    def delete(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError(_NO_ROW)

    def set_password(self, raw_password: object) -> NoReturn:
        raise NotImplementedError(_NO_ROW)

    def check_password(self, raw_password: object) -> NoReturn:
        raise NotImplementedError(_NO_ROW)
