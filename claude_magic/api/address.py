"""Where requests go: the base URL made right, whose host it is, and the proxy in between."""

from __future__ import annotations

import importlib.util
import ipaddress
import re
import socket
import urllib.request

import httpx2
from anthropic import Anthropic

from claude_magic.api import providers
from claude_magic.errors import ConfigProblem

DEFAULT = "https://api.anthropic.com"

_EDGES = re.compile(r"^(?:%20|%09)+|(?:%20|%09|/)+$")
_VERSION = re.compile(r"/v1(?:/messages)?$")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?")
_PORTS = range(1, 65_536)


def corrected(
    url: httpx2.URL, origin: str, provider: providers.Provider = providers.ANTHROPIC
) -> tuple[httpx2.URL, tuple[str, ...]]:
    """The base URL as it can be used, and notes for the user.

    Parameters
    ----------
    url : httpx2.URL
        As found.
    origin : str
        Where it was found, for the messages: a variable's name.
    provider : providers.Provider
        Whose it is; its example stands for an empty one.

    Raises
    ------
    ConfigProblem
        When it cannot be meant. The line repeats nothing of it, because a key or password may be in it.
    """
    text = _EDGES.sub("", str(url))
    try:
        url = httpx2.URL(text or provider.example)
    except httpx2.InvalidURL:
        text = ""
    problem = _defect(url, text or "://")
    if problem:
        raise ConfigProblem(f"{origin} {problem}, such as {provider.example}. Nothing was sent.")
    notes = []
    path = url.path.strip().rstrip("/")
    if (
        _VERSION.search(path) and not provider.rewrites
    ):  # where the SDK makes the path, it may be a part of it
        path = _VERSION.sub("", path)
        url = url.copy_with(path=path or "/")
        notes.append(
            f"{origin} names the API's path, which is added anyway; requests go to {url}.".replace("/.", ".")
        )
    if url.scheme == "http" and not is_loopback(url):
        notes.append(
            f"The connection to {name_of(url)} is not encrypted: your key travels in the clear. Use https://."
        )
    return url, tuple(notes)


def _defect(url: httpx2.URL, text: str) -> str:
    """Why a URL is no base URL, ending in what it should be; ``""`` for nothing."""
    if url.scheme not in ("http", "https"):
        if "://" in text:
            return "is neither an http:// nor an https:// address; it needs one"
        return "needs http:// or https:// before the host"
    if url.userinfo:
        return "holds a user name or password, which logs would show; it needs an address without"
    if not url.host:
        return "names no host; it needs one"
    if not _is_host(url) or not (url.port is None or url.port in _PORTS):
        return "is no address that can be used; it needs one"
    if "?" in text or "#" in text:
        return "has a part after ? or #; it needs an address without"
    return ""


def _is_host(url: httpx2.URL) -> bool:
    host = url.raw_host.decode("ascii", "replace")
    return _ip(host) is not None or _HOST.fullmatch(host) is not None


def is_loopback(url: httpx2.URL) -> bool:
    """Whether a URL means this machine."""
    host = _plain_host(url)
    address = _ip(host)
    if address is None:
        return host == "localhost"
    inner = getattr(address, "ipv4_mapped", None) or address
    return bool(inner.is_loopback)


def has_ended(host: str) -> bool:
    """Whether nobody listens any more at a host and port of this machine; False for those of another."""
    try:
        url = httpx2.URL(f"http://{host}")
        if is_loopback(url):
            socket.create_connection((url.host, url.port or 80), timeout=1.0).close()
    except (OSError, ValueError, httpx2.InvalidURL) as error:
        return isinstance(error, ConnectionRefusedError)
    return False


def foreign_host(client: Anthropic) -> str:
    """The host and port requests go to, if it is neither their provider's nor this machine; else ``""``."""
    known = re.fullmatch(providers.of(client).home, _plain_host(client.base_url))
    return "" if known or is_loopback(client.base_url) else name_of(client.base_url)


def name_of(url: httpx2.URL) -> str:
    """A URL's host as requests are sent to it, ASCII only, with its port where one is written."""
    host = url.raw_host.decode("ascii", "replace")
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{url.port}" if url.port else host


def _plain_host(url: httpx2.URL) -> str:
    return url.raw_host.decode("ascii", "replace").lower().removesuffix(".")


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.replace("%25", "%"))  # an IPv6 zone, as a URL writes it
    except ValueError:
        return None


def proxy_of(client: Anthropic) -> str:
    """The name of the variable whose proxy requests go through, ``""`` for none; never its value.

    A proxy of the system's own settings (macOS, Windows) has no variable; it is called that.
    """
    scheme = _proxied(client.base_url)
    return _variable(scheme) if scheme else ""


def proxy_for(url: httpx2.URL) -> httpx2.Proxy | None:
    """The environment's proxy for requests to a URL; None for none, as always for this machine.

    Raises
    ------
    ConfigProblem
        When it cannot be used: naming the variable; the value may hold a password and is not repeated.
    """
    scheme = _proxied(url)
    if not scheme:
        return None
    proxy = _proxy(urllib.request.getproxies()[scheme])
    if proxy is None:
        raise ConfigProblem(
            f"{_variable(scheme)} is no proxy's address: it needs one such as http://proxy.example:3128, "
            "or none. Nothing was sent."
        )
    if proxy.url.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise ConfigProblem(
            f"{_variable(scheme)} names a SOCKS proxy, for which a package is missing: run "
            "%pip install 'httpx2[socks]' and restart the kernel. Nothing was sent."
        )
    return proxy


def _proxied(url: httpx2.URL) -> str:
    """Which of the environment's proxies, by scheme, requests to a URL go through; ``""`` for none."""
    proxies = urllib.request.getproxies()
    if is_loopback(url) or _bypassed(url, proxies.get("no", "")):
        return ""
    return next((scheme for scheme in (url.scheme, "all") if proxies.get(scheme)), "")


def _proxy(value: str) -> httpx2.Proxy | None:
    """A proxy as the HTTP layer takes it; None for an address it cannot use."""
    try:
        proxy = httpx2.Proxy(value if "://" in value else f"http://{value}")
    except (ValueError, httpx2.InvalidURL):
        return None
    port = proxy.url.port
    return proxy if _is_host(proxy.url) and (port is None or port in _PORTS) else None


def _variable(scheme: str) -> str:
    variable = f"{scheme.upper()}_PROXY"
    return variable if scheme in urllib.request.getproxies_environment() else "the system's proxy setting"


def _bypassed(url: httpx2.URL, no_proxy: str) -> bool:
    """Whether ``NO_PROXY`` excepts a host: a name with all below it, an address, or a network."""
    host = _plain_host(url)
    address = _ip(host)
    for entry in (entry.strip().lower() for entry in no_proxy.split(",")):
        if entry == "*":
            return True
        name, _, port = entry.partition(":") if entry.count(":") == 1 else (entry, "", "")
        if port and port != str(url.port):
            continue
        if address is not None:
            if _holds(name.strip("[]"), address):
                return True
            continue
        name = name.lstrip("*.")
        if name and (host == name or host.endswith(f".{name}")):
            return True
    return False


def _holds(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def rows(client: Anthropic, origin: str) -> list[tuple[str, str, str, str]]:
    """Where requests go and through what, as rows of ``%claude_config``."""
    provider = providers.of(client)
    means = f"The host requests go to ({provider.address})."
    try:
        url, _ = corrected(client.base_url, origin, provider)
    except ConfigProblem as problem:
        return [("API", "cannot be used", origin, str(problem))]
    found = [("API", name_of(url), origin, means)]
    proxy = proxy_of(client)
    if proxy:
        means, value = "Requests go through it; NO_PROXY excepts hosts.", "yes"
        try:
            proxy_for(url)
        except ConfigProblem as problem:
            means, value = str(problem), "cannot be used"
        found.append(("proxy", value, proxy, means))
    return found


def origin_of(client: Anthropic, given: str) -> str:
    """Where a client's base URL comes from: what is given, a variable, a profile, or the default."""
    if given:
        return given
    provider = providers.of(client)
    if provider is not providers.ANTHROPIC:
        home = re.fullmatch(provider.home, _plain_host(client.base_url))
        unknown = str(client.base_url).strip("/") == ""  # its project is still to be looked up
        return provider.where if home or unknown else provider.address
    text = str(client.base_url).rstrip("/")
    if text == DEFAULT:
        return "default"
    named: object = getattr(client.credentials, "resolved_base_url", None)
    return "the profile's base_url" if named == text else "ANTHROPIC_BASE_URL"
