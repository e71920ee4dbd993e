"""The browser of these tests sees what it is there to see."""

import pytest

PAGE = """<!doctype html><html lang="en"><head><title>A page</title>{head}</head>
<body><main><h1>A page</h1>{body}</main></body></html>"""


def write(tmp_path, head="", body=""):
    path = tmp_path / "page.html"
    path.write_text(PAGE.format(head=head, body=body))
    return path.as_uri()


def test_a_sound_page_has_no_complaints(page, axe, complaints, tmp_path):
    page.goto(write(tmp_path, body="<p>Text.</p>"))
    assert page.locator("h1").inner_text() == "A page"
    assert axe(page) == []
    assert complaints == []


@pytest.mark.parametrize(
    ("head", "begins"),
    [
        ("<script>console.error('broken')</script>", "console: broken"),
        ("<script>throw new Error('thrown')</script>", "exception: thrown"),
        ("<link rel='stylesheet' href='none.css'>", "failed: "),
        ("<img src='https://example.com/a.png' alt=''>", "leaves this machine: https://example"),
        ("<script>new WebSocket('ws://192.0.2.1/')</script>", "leaves this machine: ws://192.0.2"),
    ],
)
def test_what_a_page_does_wrong_is_seen(page, complaints, tmp_path, head, begins):
    page.goto(write(tmp_path, head))
    page.wait_for_timeout(100)
    assert any(one.startswith(begins) for one in complaints), complaints
    complaints.clear()


def test_axe_finds_a_picture_without_words(page, axe, tmp_path):
    page.goto(write(tmp_path, body="<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>"))
    assert [found.partition(":")[0] for found in axe(page)] == ["image-alt"]
