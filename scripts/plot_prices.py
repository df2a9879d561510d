#!/usr/bin/env python3
"""Draws the price of a discount loan and of a premium loan against the speed of prepayment.

    cargo build --release
    scripts/plot_prices.py [LOAN_ENGINE] [-o docs/prices.svg]

LOAN_ENGINE is the command that prices the loans (target/release/loan-engine). The script calls `loan-engine price` once for each
loan and each whole CPR from 0 to 40 %, and writes the plot that the README shows. The same prices give the same bytes. The script
needs only Python's standard library.
"""

import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TERM = 360
TARGET = "8.05"
# What every point assumes besides the speed.
ASSUMPTIONS = ["--cdr", "0", "--severity", "0", "--fee", "0.25", "--yield-basis", "monthly"]
SPEEDS = range(0, 41)
# Note rate, label, colour, and how far below its curve the label stands.
LOANS = [("9.5", "9.5 % note: a premium loan", "#b34700", -14), ("4", "4 % note: a discount loan", "#1f5fa8", 26)]
# Lowest and highest price of the vertical axis.
PRICES = (60, 115)

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 74, 24, 72, 64
INK, FAINT = "#222222", "#dddddd"


def price(loan_engine, note_rate, speed):
    """The price of a loan in percent of its balance."""
    loan = ["--note-rate", note_rate, "--term", str(TERM), "--target", TARGET, "--cpr", str(speed)]
    command = [loan_engine, "price", *loan, *ASSUMPTIONS, "--format", "json"]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    except OSError as error:
        sys.exit(f"{loan_engine} cannot be started ({error.strerror}): build it, or name the command")
    except subprocess.CalledProcessError:
        sys.exit(f"{loan_engine} gives no price for a note of {note_rate} % at {speed} % CPR")
    return json.loads(done.stdout)["price"]


def across(speed):
    return LEFT + (WIDTH - LEFT - RIGHT) * (speed - SPEEDS[0]) / (SPEEDS[-1] - SPEEDS[0])


def down(of_price):
    return TOP + (HEIGHT - TOP - BOTTOM) * (PRICES[1] - of_price) / (PRICES[1] - PRICES[0])


def text(x, y, words, anchor="start", size=13, colour=INK, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}"{more}>{words}</text>'


def line(x1, y1, x2, y2, colour, more=""):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{more}/>'


def axes():
    """The grid, the numbers at both axes, their titles, and the line at par."""
    left, right, top, bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
    for tick in range(PRICES[0], PRICES[1] + 1, 10):
        yield line(left, down(tick), right, down(tick), FAINT)
        yield text(left - 9, down(tick) + 4.5, tick, "end")
    for tick in range(SPEEDS[0], SPEEDS[-1] + 1, 5):
        yield line(across(tick), bottom, across(tick), bottom + 5, INK)
        yield text(across(tick), bottom + 21, tick, "middle")
    yield line(left, bottom, right, bottom, INK)
    yield line(left, top, left, bottom, INK)
    yield line(left, down(100), right, down(100), INK, ' stroke-dasharray="6 4"')
    yield text(right, down(100) + 18, "par: 100", "end")
    yield text((left + right) / 2, HEIGHT - 16, "speed of prepayment (CPR, % a year)", "middle")
    middle = (top + bottom) / 2
    yield text(22, middle, "price (% of the balance)", "middle", more=f' transform="rotate(-90 22 {middle:.1f})"')


def curve(prices, colour):
    points = " ".join(f"{across(speed):.1f},{down(of_price):.1f}" for speed, of_price in zip(SPEEDS, prices))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5" stroke-linejoin="round"/>'


def ends(prices, colour):
    """The prices at both ends of a curve, as dots with numbers."""
    first, last = (SPEEDS[0], prices[0], "start", 10, 14), (SPEEDS[-1], prices[-1], "end", 0, 21)
    for speed, of_price, anchor, aside, below in [first, last]:
        x, y = across(speed), down(of_price)
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
        yield text(x + aside, y + (-9 if of_price > 100 else below), f"{of_price:.2f}", anchor, colour=colour)


def plot(loan_engine):
    title = "Prepayment moves every price towards par"
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
           f'font-family="sans-serif" role="img">')
    yield f"<title>{title}</title>"
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    yield text(LEFT, 29, title, size=17, more=' font-weight="bold"')
    yield text(LEFT, 51, f"{TERM} months left, target yield {TARGET} %, servicing fee 0.25 %, no defaults")
    yield from axes()
    for note_rate, label, colour, below in LOANS:
        prices = [price(loan_engine, note_rate, speed) for speed in SPEEDS]
        yield curve(prices, colour)
        yield from ends(prices, colour)
        at = 13
        yield text(across(at), down(prices[at]) + below, label, size=14, colour=colour, more=' font-weight="bold"')
    yield "</svg>"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loan_engine", nargs="?", default=str(ROOT / "target/release/loan-engine"))
    parser.add_argument("-o", "--out", type=pathlib.Path, default=ROOT / "docs/prices.svg")
    arguments = parser.parse_args()
    svg = "\n".join(plot(arguments.loan_engine)) + "\n"
    arguments.out.write_bytes(svg.encode())


if __name__ == "__main__":
    main()
