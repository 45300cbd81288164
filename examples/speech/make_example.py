"""Makes the recording of example.json: vowels that nobody has spoken, from pulses and three resonances each.

    python examples/speech/make_example.py

It needs what `athena.sdk.audio` needs, the extra `media`. The same seed gives the same recording.
"""

import base64
import io
import json
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
TARGET = Path(__file__).parent / "example.json"

#: Vowel -> frequency and width of its resonances, in Hz.
VOWELS = {
    "a": ((730, 90), (1090, 110), (2440, 170)),
    "e": ((530, 70), (1840, 100), (2480, 170)),
    "i": ((270, 60), (2290, 100), (3010, 170)),
    "u": ((300, 60), (870, 90), (2240, 170)),
}


def vowel(name: str, pitch_hz: float, seconds: float, noise: np.random.Generator) -> np.ndarray:
    """Returns a vowel, whose pitch falls."""
    count = round(RATE * seconds)
    pitch = pitch_hz * (1 + 0.06 * np.sin(2 * np.pi * 3.1 * np.arange(count) / RATE))
    turns = np.floor(np.cumsum(pitch * np.linspace(1.05, 0.95, count)) / RATE)
    sound = np.diff(turns, prepend=0) + noise.normal(0, 0.004, count)
    for frequency_hz, width_hz in VOWELS[name]:
        sound = resonance(sound, frequency_hz, width_hz)
    edge = np.minimum(np.arange(count), np.arange(count)[::-1]) / (0.03 * RATE)
    return sound * np.minimum(1, edge)


def resonance(sound: np.ndarray, frequency_hz: float, width_hz: float) -> np.ndarray:
    """Returns what a cavity makes of a sound."""
    fading = np.exp(-np.pi * width_hz / RATE)
    first, second = -2 * fading * np.cos(2 * np.pi * frequency_hz / RATE), fading * fading
    found, last, before = np.empty_like(sound), 0.0, 0.0
    for place, value in enumerate((1 + first + second) * sound):
        last, before = value - first * last - second * before, last
        found[place] = last
    return found


def main() -> None:
    """Writes the example: silence, a word, silence."""
    noise = np.random.default_rng(3)
    word = [vowel(name, 125 - 4 * place, 0.15, noise) for place, name in enumerate("aiuea")]
    spoken = np.concatenate(word)
    silence = np.zeros(RATE // 2)
    sound = np.concatenate([silence, spoken / np.abs(spoken).max() / 2, silence])
    file = io.BytesIO()
    soundfile.write(file, sound, RATE, format="FLAC", subtype="PCM_16")
    text = base64.b64encode(file.getvalue()).decode()
    request = {
        "header": {"app_id": "demo", "status": 3},
        "parameter": {"speech": {"report": {"encoding": "utf8", "compress": "raw", "format": "json"}}},
        "payload": {"sound": {"encoding": "flac", "status": 3, "audio": text}},
    }
    TARGET.write_text(json.dumps(request, indent=2) + "\n")
    print(f"{TARGET}: {len(sound) / RATE:.2f} s, {len(text)} characters")


if __name__ == "__main__":
    main()
