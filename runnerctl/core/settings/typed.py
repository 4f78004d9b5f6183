"""Settings as typed attributes: ``settings.stop.interrupt`` is a float to mypy, since its parser makes floats.

A ``Setting`` stands in the body of its section and is all there is to say about it: name, default, help, parser. What
reads, shows, completes or documents settings goes by the same objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NamedTuple, NoReturn, TypeVar, overload

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")


class Setting(Generic[T]):
    """One setting: its key in the config file, its variables (the first is the documented one), its default.

    In a section its attribute is the value in force; in the section's class it is this.
    """

    # No dataclass: to make one takes longer than to read all settings, and every command pays for it.
    def __init__(
        self,
        *,
        default: str | None,
        help_: str,
        parse: Callable[[str], Any],
        secret: bool = False,
        key: str = "",
        variables: tuple[str, ...] = (),
    ) -> None:
        self.default: Final = default
        self.help: Final = help_
        self.parse: Final = parse
        self.secret: Final = secret
        self.key: Final = key
        self.variables: Final = variables
        """Where it is written down: what it has beside those that its section gives it."""

    def named(self, key: str, variables: tuple[str, ...]) -> Self:
        """The same in its section."""
        return type(self)(
            default=self.default,
            help_=self.help,
            parse=self.parse,
            secret=self.secret,
            key=key,
            variables=(*variables, *self.variables),
        )

    @overload
    def __get__(self, section: None, owner: type[Section]) -> Self: ...

    @overload
    def __get__(self, section: Section, owner: type[Section]) -> T: ...

    @overload
    def __get__(self, section: tuple[Any, ...], owner: type[Value]) -> Self: ...

    def __get__(self, section: object, owner: type) -> Self | T:
        if not isinstance(section, Section):
            return self
        value: T = section.values[self.key].value
        return value

    def __set__(self, section: Section, value: NoReturn) -> NoReturn:
        raise AttributeError(f"{self.key} is read, and never written")


class Value(NamedTuple):
    """A setting's effective value and where it came from."""

    setting: Setting[Any]
    value: Any
    origin: str
    raw: str | None = None
    """As it was written; None for what nobody wrote and no default says."""

    @property
    def shown(self) -> str:
        """For people: a secret is masked."""
        from ..domain import durations  # seldom: most commands show no setting
        from . import parsing

        if self.value is None:
            return ""
        if self.setting.secret:
            return "********"
        if self.setting.parse in parsing.DURATIONS:
            return durations.typed(self.value)
        if isinstance(self.value, bool):
            return str(self.value).lower()
        if isinstance(self.value, dict):
            return " ".join(f"{name}={value}" for name, value in self.value.items())
        return f"{self.value:g}" if isinstance(self.value, float) else str(self.value)


class Section:
    """Settings whose keys begin alike. A subclass names the beginning, and how a setting's variables are called."""

    settings: ClassVar[tuple[Setting[Any], ...]] = ()
    values: Mapping[str, Value]
    """Of all sections, by key."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.values = values

    def __init_subclass__(
        cls, *, name: str | None = None, variables: Callable[[str], tuple[str, ...]] | None = None
    ) -> None:
        if name is None:
            return  # inherits its settings
        found = []
        for attribute, each in list(vars(cls).items()):
            if isinstance(each, Setting):
                key = f"{name}.{attribute}" if name else attribute
                usual = variables(attribute) if variables else (_variable(key),)
                found.append(each.named(key, usual))
                setattr(cls, attribute, found[-1])
        cls.settings = tuple(found)


def setting(default: str, help_: str, parse: Callable[[str], T], *variables: str) -> Setting[T]:
    """One that always has a value. ``variables``: more than its section gives it."""
    return Setting(default=default, help_=help_, parse=parse, variables=variables)


def optional(help_: str, parse: Callable[[str], T], *variables: str) -> Setting[T | None]:
    """One that is None unless it is set."""
    return Setting(default=None, help_=help_, parse=parse, variables=variables)


def derived(help_: str, parse: Callable[[str], T]) -> Setting[T]:
    """One that follows from others where it is not set: whoever reads the settings fills it in."""
    return Setting(default=None, help_=help_, parse=parse)


def secret(help_: str, *variables: str) -> Setting[str | None]:
    """An optional text that is never shown."""
    return Setting(default=None, help_=help_, parse=str, secret=True, variables=variables)


def _variable(key: str) -> str:
    return "RUNNERCTL_" + key.upper().replace(".", "_")
