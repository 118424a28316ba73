from __future__ import annotations

import json

import pytest


@pytest.mark.models
def test_it_works(capsys: pytest.CaptureFixture[str]) -> None:
    from scripts.measure_genprm import main

    main(["--tiny", "--in-flight", "1,3", "--steps", "2", "--analysis", "64"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["gb_per_s"] > 0
    one, three = lines[1:]
    assert (one["in_flight"], three["in_flight"]) == (1, 3)
    assert (one["steps_judged"], three["steps_judged"]) == (2, 6)
    # Each step has 64 tokens of analysis and a forced verdict of at most 20.
    assert 2 * 64 < one["sampled_tokens"] <= 2 * 84
    assert 6 * 64 < three["sampled_tokens"] <= 6 * 84
    # What a step was told and wrote is the beginning of the next one's prompt.
    assert one["reused_tokens"] > one["read_tokens"]
    for line in (one, three):
        rate = line["sampled_tokens"] / line["seconds"]
        assert line["tokens_per_s"] == pytest.approx(rate, rel=0.02)
        assert line["limit_tokens_per_s"] > 0


@pytest.mark.models
def test_without_a_gpu_it_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from scripts.measure_genprm import main

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        main([])
    assert "There is no GPU here." in capsys.readouterr().err
