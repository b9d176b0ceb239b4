"""What `kdlab bench` prints."""

from kdlab.cli.bench import bench
from kdlab.engine import bench as engine
from kdlab.engine.bench import Cost


def test_times_are_in_milliseconds_and_fractions_of_what_is_possible(monkeypatch, capsys):
    configs = {}

    def measure(measured, repetitions):
        configs.update(measured)
        cost = Cost("cpu", 2, 1e11, 5e9, input=0.002, step=0.05, epoch=0.0625, probe=0.3, flops=1e9, bytes=1e6)
        return dict.fromkeys(measured, cost)

    monkeypatch.setattr(engine, "bench", measure)
    bench(["kd", "batch=16", "simclr", "teacher.model=resnet20", "model=resnet8"], repetitions=3)
    out = capsys.readouterr().out
    assert "model=resnet8 width=0.25 batch=16 precision=32-true teacher.model=resnet20" in out
    assert "Medians of 3" in out
    for name in ("kd", "simclr"):
        (line,) = [line for line in out.splitlines() if line.startswith(f"{name} ")]
        *numbers, device, threads, product, copy = line.split()[1:]
        assert [float(number) for number in numbers] == [2, 50, 62.5, 300, 0.1, 0.2, 0.8]
        assert (device, threads, float(product), float(copy)) == ("cpu", "2", 100, 5)
    assert configs["kd"].teacher.model == "resnet20" and configs["kd"].teacher.batch == configs["kd"].batch == 16
    assert (configs["simclr"].teacher, configs["simclr"].epochs, configs["simclr"].steps) == (None, 1, 20)


def test_a_handful_of_methods_is_measured_where_none_is_named(monkeypatch):
    names = []
    monkeypatch.setattr(engine, "bench", lambda configs, _: names.extend(configs) or {})
    bench()
    assert names == ["supervised", "kd", "simclr", "lsskd"]
