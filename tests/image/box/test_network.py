"""Network settings: what is refused, what systemd-networkd gets, and that nothing unconfirmed survives."""

import itertools

import pytest

from image.box import boot_settings, files, netapply, netsettings
from image.box.problem import Problem
from image.box.system.network import SHOWN_S, TRIAL_S, Network

from .conftest import add_socket, kernel_addresses

STATIC = {
    "hostname": "front-desk",
    "interface": "",
    "dns": ["192.168.7.1"],
    "ipv4": {"method": "static", "address": "192.168.7.9/24", "gateway": "192.168.7.1"},
    "ipv6": {"method": "off", "address": "", "gateway": ""},
}


def codes(given, sockets=("eth0",)):
    return [(one.code, one.field) for one in netsettings.check(given, list(sockets))[1]]


def changed(path, value):
    made = {**STATIC, "ipv4": dict(STATIC["ipv4"]), "ipv6": dict(STATIC["ipv6"])}
    first, _, second = path.partition(".")
    if second:
        made[first][second] = value
    else:
        made[first] = value
    return made


def test_the_defaults_and_a_usual_fixed_address_are_taken():
    assert codes(netsettings.DEFAULT) == []
    assert codes(STATIC) == []


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("hostname", "", "bad_hostname"),
        ("hostname", "a b", "bad_hostname"),
        ("hostname", "x\nDHCP=yes", "bad_hostname"),
        ("hostname", "-x", "bad_hostname"),
        ("hostname", "a" * 64, "bad_hostname"),
        ("interface", "eth9", "no_interface"),
        ("interface", "eth0\n[Network]", "no_interface"),
        ("ipv4.address", "192.168.7.9", "bad_address"),
        ("ipv4.address", "192.168.7.900/24", "bad_address"),
        ("ipv4.address", "fd00::9/64", "bad_address"),
        ("ipv4.address", "192.168.7.9/24\nDNS=6.6.6.6", "bad_address"),
        ("ipv4.address", "8.8.8.8/24", "public_address"),
        ("ipv4.address", "100.64.0.9/24", "public_address"),
        ("ipv4.address", "127.0.0.1/8", "special_address"),
        ("ipv4.address", "224.0.0.1/24", "special_address"),
        ("ipv4.address", "192.168.7.0/24", "network_address"),
        ("ipv4.address", "192.168.7.255/24", "broadcast_address"),
        ("ipv4.address", "192.168.7.9/32", "bad_length"),
        ("ipv4.gateway", "192.168.8.1", "gateway_outside"),
        ("ipv4.gateway", "192.168.7.9", "gateway_is_self"),
        ("ipv4.gateway", "router", "bad_gateway"),
        ("ipv4.method", "pppoe", "bad_method"),
        ("dns", ["dns.example"], "bad_dns"),
        ("dns", ["10.0.0.1"] * 4, "too_many_dns"),
    ],
)
def test_each_mistake_is_named_at_its_field(path, value, code):
    found = codes(changed(path, value))
    assert (code, path) in found


@pytest.mark.parametrize(
    "given", [None, [], "x", {"unknown": 1}, {}, {"ipv4": 3, "dns": 4, "hostname": None}]
)
def test_what_is_no_form_is_refused(given):
    assert codes(given)


def test_a_fixed_address_with_two_sockets_needs_to_say_which():
    assert ("which_interface", "interface") in codes(STATIC, ("eth0", "eth1"))
    assert codes(changed("interface", "eth1"), ("eth0", "eth1")) == []


def test_both_families_off_is_refused():
    assert ("no_address", "ipv4.method") in codes(changed("ipv4", {"method": "off"}))


def section(text, name):
    after = itertools.dropwhile(lambda line: line != f"[{name}]", text.splitlines())
    next(after)
    return list(itertools.takewhile(lambda line: line and not line.startswith("["), after))


def test_the_file_for_networkd():
    fixed = netsettings.networkd_file(netsettings.check(STATIC, ["eth0"])[0])
    assert section(fixed, "Match") == ["Type=ether"]
    network = section(fixed, "Network")
    assert {"DHCP=no", "Address=192.168.7.9/24", "Gateway=192.168.7.1", "DNS=192.168.7.1"} <= set(network)
    assert "LinkLocalAddressing=no" in network and "MulticastDNS=yes" in network
    usual = section(netsettings.networkd_file(netsettings.DEFAULT), "Network")
    assert {"DHCP=yes", "LinkLocalAddressing=yes", "IPv6AcceptRA=yes"} <= set(usual)


@pytest.fixture
def network(places, programs, clock):
    programs.says("ip", kernel_addresses("192.168.7.50/24"))
    boot_settings.run(places)
    return Network(places, clock)


def in_use(places):
    return (places.networkd / netsettings.FILE).read_text()


def begun(network, clock, settings=STATIC):
    """Put settings on trial and let it begin; the token."""
    token = network.apply({"settings": settings})["token"]
    clock.now += SHOWN_S
    network.tick()
    return token


def test_confirmed_settings_stay(network, places, programs, clock):
    answer = network.apply({"settings": STATIC})
    assert answer["confirm_within_s"] == 30 and answer["addresses"] == ["192.168.7.9"]
    clock.now += SHOWN_S
    network.tick()
    assert "Address=192.168.7.9/24" in in_use(places)
    assert {"networkctl reload", "networkctl reconfigure eth0"} <= set(programs.calls)
    assert not places.network.exists(), "nothing is stored before it is confirmed"
    clock.now += TRIAL_S - 1
    network.tick()
    network.confirm({"token": answer["token"]})
    clock.now += 1000
    network.tick()
    assert "Address=192.168.7.9/24" in in_use(places)
    assert netapply.load(places)[0]["hostname"] == "front-desk"


def test_the_old_network_stays_until_the_browser_has_the_page_with_the_links(network, places, clock):
    token = network.apply({"settings": STATIC})["token"]
    assert network.trial()["begins_in_s"] == SHOWN_S and network.trial()["left_s"] == SHOWN_S + TRIAL_S
    clock.now += SHOWN_S - 0.1
    network.tick()
    assert "Address=" not in in_use(places)
    with pytest.raises(Problem) as told:  # nobody has reached the box with them yet
        network.confirm({"token": token})
    assert told.value.code == "trial_not_begun"
    clock.now += 0.1
    network.tick()
    assert "Address=192.168.7.9/24" in in_use(places)
    assert network.trial() == {"settings": STATIC, "begins_in_s": 0.0, "left_s": TRIAL_S}
    network.confirm({"token": token})
    assert network.trial() is None


def test_settings_taken_back_before_they_begin_never_come(network, places, programs, clock):
    network.apply({"settings": STATIC})
    programs.forget()
    network.revert({})
    clock.now += SHOWN_S + 1
    network.tick()
    assert network.trial() is None and not any("networkctl" in call for call in programs.calls)


def test_a_new_name_is_in_the_certificate(network, places, clock):
    token = begun(network, clock)
    network.confirm({"token": token})
    import ssl

    found = ssl._ssl._test_decode_cert(str(places.certificate))["subjectAltName"]
    assert ("DNS", "front-desk.local") in found and ("IP Address", "192.168.7.9") in found
    assert ("DNS", "zongji.local") in found


def test_what_nobody_confirms_is_taken_back_after_30_seconds(network, places, clock):
    token = begun(network, clock)
    clock.now += TRIAL_S - 0.1
    network.tick()
    assert "Address=192.168.7.9/24" in in_use(places)
    clock.now += 0.1
    network.tick()
    assert "DHCP=yes" in in_use(places) and "Address=" not in in_use(places)
    with pytest.raises(Problem) as told:
        network.confirm({"token": token})
    assert told.value.code == "trial_over"
    assert network.get({})["trial"] is None


@pytest.mark.parametrize("waited_s", [1.0, 31.0])
def test_a_daemon_that_dies_in_the_trial_takes_it_back_too(network, places, programs, clock, waited_s):
    begun(network, clock)
    clock.now += waited_s
    again = Network(places, clock)
    again.tick()
    assert ("Address=" in in_use(places)) == (waited_s < TRIAL_S)
    clock.now += TRIAL_S
    again.tick()
    assert "Address=" not in in_use(places)


def test_a_daemon_that_dies_while_it_applies_takes_it_back(places, programs, clock, monkeypatch):
    network = Network(places, clock)
    network.apply({"settings": STATIC})
    clock.now += SHOWN_S

    def die(*_):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(netapply, "apply", die)
        with pytest.raises(SystemExit):
            network.tick()
    netapply.write(places, STATIC)  # it had come this far
    again = Network(places, clock)
    clock.now += 71
    again.tick()
    assert "Address=" not in in_use(places)


def test_a_reboot_in_the_trial_brings_the_confirmed_settings(network, places, clock, tmp_path):
    begun(network, clock)
    for path in sorted(places.run.rglob("*"), reverse=True):  # /run is empty after a reboot
        path.unlink() if path.is_file() or path.is_symlink() else path.rmdir()
    boot_settings.run(places)
    assert "Address=" not in in_use(places)


def test_only_the_token_of_the_trial_confirms(network, places, clock):
    begun(network, clock)
    for token in ("", "x", "ä"):
        with pytest.raises(Problem) as told:
            network.confirm({"token": token})
        assert told.value.code == "wrong_token"


def test_settings_that_networkd_refuses_are_back_at_once_and_the_page_says_so(
    network, places, programs, clock
):
    programs.says("networkctl", "Failed to reload network settings: no", 1)
    with pytest.raises(Problem):
        begun(network, clock)
    programs.says("networkctl")
    network.tick()
    told = network.get({})
    assert (told["settings"], told["trial"]) == (netsettings.DEFAULT, None)
    assert told["problem"] == "network_refused" and "Address=" not in in_use(places)
    begun(network, clock)
    assert network.get({})["problem"] == ""


def test_a_trial_that_cannot_be_taken_back_yet_is_tried_again(network, places, programs, clock):
    begun(network, clock)
    clock.now += TRIAL_S
    programs.says("networkctl", "busy", 1)
    with pytest.raises(Problem):
        network.tick()
    programs.says("networkctl")
    network.tick()
    assert network.trial() is None and "Address=" not in in_use(places)


def test_a_damaged_trial_note_is_taken_as_over(network, places, clock):
    begun(network, clock)
    (places.run / "network-trial.json").write_text("{")
    Network(places, clock).tick()
    assert "Address=" not in in_use(places)


@pytest.mark.parametrize("text", ["{", "[]", '{"hostname": "x\\ny"}', '{"ipv4": 1}', ""])
def test_damaged_settings_are_named_and_dhcp_is_used(places, programs, text):
    places.network.write_text(text)
    boot_settings.run(places)
    assert "DHCP=yes" in in_use(places)
    assert "network_settings_damaged" in files.read_json(places.run / "boot-states.json")["states"]


def test_a_socket_that_was_taken_out_is_named_and_dhcp_is_used(places, programs):
    add_socket(places, "eth1")
    files.write_json(places.network, STATIC | {"interface": "eth1"})
    (places.interfaces / "eth1" / "device").rmdir()
    settings, state = netapply.load(places)
    assert (settings["ipv4"]["method"], settings["hostname"], state) == (
        "dhcp",
        "front-desk",
        "network_socket_gone",
    )


def test_a_socket_that_udev_has_not_named_yet_is_waited_for(places, programs):
    files.write_json(places.network, STATIC | {"interface": "enp3s0"})
    named = places.interfaces / "enp3s0"
    script = programs.folder / "udevadm"
    script.write_text(f'#!/bin/sh\nmkdir -p "{named}/device"\necho 1 > "{named}/type"\n')
    script.chmod(0o755)
    boot_settings.run(places)
    assert "Address=192.168.7.9/24" in in_use(places)
    assert files.read_json(places.run / "boot-states.json")["states"] == []
