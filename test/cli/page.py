"""page.py URL WHAT [N]: looks at the live page in a headless Chromium, as a person would, and fails when something is amiss."""
import sys

from browser import Browser

DRAWN = "Number(document.documentElement.dataset.drawn)"
SUMMARY = "document.getElementById('summary').textContent"
PROBLEMS = "document.getElementById('problems').textContent"
LOG = "document.getElementById('log').innerText"
# What a machine says never becomes anything but text.
MARKUP = "document.querySelectorAll('#log b b, #log img, #log script, #problems img, .cell img').length"
CONTRAST = """(() => {
    const light = text => {
        const [r, g, b] = text.match(/\\d+(\\.\\d+)?/g).map(n => n / 255).map(n => n <= .04045 ? n / 12.92 : ((n + .055) / 1.055) ** 2.4);
        return .2126 * r + .7152 * g + .0722 * b;
    };
    const style = e => getComputedStyle(e), body = light(style(document.body).backgroundColor);
    return Math.min(...['h1', '#summary', 'figcaption', 'output', '#log', 'footer p', 'a'].map(name => {
        const l = light(style(document.querySelector(name)).color);
        return (Math.max(l, body) + .05) / (Math.min(l, body) + .05);
    }));
})()"""


def whole(page, n):
    """Everything is there, in any width, light and dark."""
    page.until(f"{DRAWN} === {n} && document.querySelectorAll('.good').length === {n}")
    page.until(f"{SUMMARY}.includes('{n} machines: {n} running')")
    assert page.evaluate("document.querySelectorAll('.cell polyline').length") == n
    page.until("document.querySelectorAll('.cell meter')[1].value > 0")
    page.until("document.getElementById('keepalive-now').value.includes('s, ')")
    page.until("document.getElementById('legend').textContent.includes('booting')")
    assert page.evaluate("document.getElementById('start').height") > 20
    for dark in False, True:
        page.dark(dark)
        assert page.evaluate(CONTRAST) >= 4.5, "there is too little contrast"
    page.size(360, 800)
    page.until("innerWidth === 360 && document.documentElement.scrollWidth <= 360")


def log(page, _):
    """Lines are text, and can be filtered, also by keyboard."""
    page.until(f"{LOG}.includes('<img src=x onerror=document.title=1>') && {LOG}.includes('second')")
    assert page.evaluate(MARKUP) == 0
    page.key("/")
    for key in "second":
        page.key(key)
    page.until(f"{LOG}.includes('second') && !{LOG}.includes('<img')")
    page.key("Escape")
    page.until(f"{LOG}.includes('<img')")


def keys(page, n):
    """The keyboard goes everywhere."""
    focus = "document.activeElement.dataset.index || document.activeElement.id"
    page.until(f"{DRAWN} === {n}")
    for key, where in (("g", "0"), ("ArrowRight", "1"), ("End", str(n - 1)), ("Home", "0"), ("e", "1"), ("l", "log")):
        page.key(key)
        assert page.evaluate(focus) == where, (key, page.evaluate(focus))
    assert "m1" in page.evaluate("document.getElementById('detail').textContent")
    assert page.evaluate("document.querySelectorAll('#detail a').length") == 0, "nothing can be looked into there"
    page.key("g")
    page.key("Home")
    links = page.evaluate("[...document.querySelectorAll('#detail a, footer a')].map(a => a.getAttribute('href'))")
    assert "debug/bigmachine/pprof/threads?format=flamegraph&machine=m0" in links, links
    # Where they lead, there is something; profiles have tests of their own.
    for link in links:
        if "?" not in link:
            found = page.evaluate(f"fetch('{link}').then(reply => reply.ok)")
            assert found, link
    page.key("p")
    page.until(f"{SUMMARY}.includes('PAUSED')")


def failed(page, _):
    """A machine that has failed is seen at once, with the reason."""
    page.until("document.querySelectorAll('.bad').length === 1")
    page.until(f"{SUMMARY}.includes('1 failed')")
    assert "m1 killed by signal 9" in page.evaluate(PROBLEMS), page.evaluate(PROBLEMS)
    keys(page, 3)


def calls(page, _):
    """Calls are counted, with the time that they take."""
    page.until("!['', '0'].includes(document.getElementById('calls-now').value)")


def gone(page, _):
    """A cluster that has ended says so."""
    page.until(f"{DRAWN} > 0")
    print("looking", flush=True)
    page.until(f"{SUMMARY}.includes('cannot be reached')")


def main():
    with Browser() as page:
        page.open(sys.argv[1])
        page.until("document.readyState === 'complete' && document.getElementById('log') !== null")
        globals()[sys.argv[2]](page, int(sys.argv[3]) if len(sys.argv) > 3 else 0)
        logged = [text for text in page.logged if "ERR_CONNECTION_REFUSED" not in text]
        assert not logged, logged


main()
