"""``camera-console centre``: the centre's authority, its sites and their one-time codes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import click

from gateway.centre.delivery.overview import overview_tree
from gateway.centre.delivery.settings import load_delivery_settings
from gateway.centre.delivery.store import DocumentStore
from gateway.centre.enrolment.admin_access import AdminAccess
from gateway.centre.enrolment.authority import (
    import_authority,
    init_authority,
    new_key,
    private_pem,
    request_authority,
    sign_authority,
)
from gateway.centre.enrolment.broker_files import reload_broker, write_broker_files
from gateway.centre.enrolment.centre import ca_folder, open_authority, open_registry
from gateway.centre.enrolment.settings import (
    DEFAULT_SETTINGS,
    EnrolmentSettings,
    load_enrolment_settings,
)
from gateway.cli.broker_options import validated_as
from gateway.cli.document_lines import overview_lines, save_files
from gateway.cli.output import echo, report_errors
from gateway.documents.months import past_months
from gateway.enrolment.messages import SiteIdentity
from gateway.model.local_time import time_text
from gateway.model.names import GatewayId, ProvinceCode
from gateway.runtime.clock import now_ms
from gateway.runtime.given_path import write_given

PATH = click.Path(path_type=Path)

_SETTINGS = click.option(
    "--settings",
    "path",
    type=PATH,
    default=DEFAULT_SETTINGS,
    show_default=True,
    help="The console's settings, with [enrolment].",
)
_NAME = click.option(
    "--name", default="Camera Gateway", show_default=True, help="Of the centre, for people."
)


@click.group("centre")
def centre_group() -> None:
    """Enrol and revoke sites, keep the authority. Đăng ký, thu hồi điểm; nơi cấp chứng thư."""


@centre_group.group("ca")
def ca_group() -> None:
    """Make or import the authority. Tạo hoặc nhập nơi cấp chứng thư."""


@ca_group.command("init")
@_SETTINGS
@_NAME
@click.option(
    "--root-key", type=PATH, help="Where the root's key goes, e.g. a USB stick.  [default: beside]"
)
@report_errors
def init_command(path: Path, name: str, root_key: Path | None) -> None:
    """Make a root of our own and an issuing authority below it."""
    folder = ca_folder(load_enrolment_settings(path))
    init_authority(folder, name, root_key=root_key)
    give_to_owner(folder)
    where = root_key or folder / "root.key"
    echo(f"{folder}  root.pem, issuing.pem")
    echo(f"{where}  (cất khỏi máy này / keep it off this machine)")


@ca_group.command("request")
@_SETTINGS
@_NAME
@report_errors
def request_command(path: Path, name: str) -> None:
    """Make a request that an existing authority, or our own offline root, signs."""
    folder = ca_folder(load_enrolment_settings(path))
    request = request_authority(folder, name)
    give_to_owner(folder)
    echo(str(request), "→ camera-console centre ca import FILE")


@ca_group.command("sign")
@click.argument("request", type=PATH)
@click.option("--root", type=PATH, required=True, help="Certificate of the root (PEM).")
@click.option("--root-key", type=PATH, required=True, help="Its key.")
@report_errors
def sign_command(request: Path, root: Path, root_key: Path) -> None:
    """Sign REQUEST by our own root, on the machine where its key is; prints PEM to import."""
    click.echo(sign_authority(request, root, root_key), nl=False)


@ca_group.command("import")
@click.argument("file", type=PATH)
@_SETTINGS
@report_errors
def import_command(file: Path, path: Path) -> None:
    """Take FILE (PEM): the issuing authority that was signed, those above it, the root last."""
    folder = ca_folder(load_enrolment_settings(path))
    import_authority(folder, file)
    give_to_owner(folder)
    echo(f"OK: {folder}")


@centre_group.command("enrol")
@_SETTINGS
@click.option("--site", required=True, callback=validated_as(GatewayId), help="Id of its gateway.")
@click.option("--name", required=True, help="Of the site, for people.")
@click.option("--province", required=True, callback=validated_as(ProvinceCode), help="Two digits.")
@click.option("--scheme", type=click.Choice(["vn-2025", "vn-2020"]), default="vn-2025")
@click.option("--commune", default="", help="Where it is.")
@click.option("--again", is_flag=True, help="A new code for a site that is there.")
@report_errors
def enrol_command(
    path: Path, site: str, name: str, province: str, scheme: str, commune: str, *, again: bool
) -> None:
    """Make a site and print its one-time code, good for 72 hours."""
    settings = load_enrolment_settings(path)
    identity = SiteIdentity.model_validate(
        {"id": site, "name": name, "province": province, "province_scheme": scheme}
        | {"commune": commune}
    )
    registry, authority = open_registry(settings), open_authority(settings)
    was_out = registry.is_revoked(identity)
    code, expires_ms = registry.add_site(identity, authority, client="cli", again=again)
    give_to_owner(settings.folder)
    echo(str(code), f"    đến / until {time_text(expires_ms)}")
    echo(f"    sudo camera-gateway enrol {settings.url} {code}")
    if was_out:  # the broker still refuses it
        echo(*map(str, write_broker_files(settings, registry, authority)))
        give_to_owner(settings.folder)
        _reload(settings)


@centre_group.command("revoke")
@click.argument("site", callback=validated_as(GatewayId))
@_SETTINGS
@report_errors
def revoke_command(site: str, path: Path) -> None:
    """Shut SITE out: its certificates, its codes, and at the broker every topic. As root."""
    settings = load_enrolment_settings(path)
    registry, authority = open_registry(settings), open_authority(settings)
    identity = registry.revoke(site, client="cli")
    echo(*map(str, write_broker_files(settings, registry, authority)))
    give_to_owner(settings.folder)
    _reload(settings)
    echo(f"ĐÃ THU HỒI / REVOKED: {identity.province}/{identity.id}  {identity.name}")


@centre_group.command("broker-files")
@_SETTINGS
@report_errors
def broker_files_command(path: Path) -> None:
    """Write what the broker reads: authorities, revoked certificates, access list."""
    settings = load_enrolment_settings(path)
    echo(*map(str, write_broker_files(settings, open_registry(settings), open_authority(settings))))
    give_to_owner(settings.folder)
    reload_broker(settings)


@centre_group.command("issue")
@click.argument("name")
@click.option("--host", multiple=True, help="Name or address of a server; left out: a client.")
@click.option("--out", type=PATH, default=Path(), help="Folder for NAME.pem and NAME.key.")
@_SETTINGS
@report_errors
def issue_command(name: str, host: tuple[str, ...], out: Path, path: Path) -> None:
    """Make key and certificate NAME for the centre: broker (with --host), console, op79."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{1,40}", name):
        raise click.BadParameter("2 to 41 of a-z, 0-9 and -", param_hint="NAME")
    authority, key = open_authority(load_enrolment_settings(path)), new_key()
    certificate, private = out / f"{name}.pem", out / f"{name}.key"
    for each in (certificate, private):
        if each.exists():
            raise click.UsageError(f"{each} is there already and is never overwritten")
    public = key.public_key()
    issued = authority.issue_server(public, host) if host else authority.issue_client(public, name)
    write_given(private, private_pem(key))
    write_given(certificate, issued.chain.encode())
    echo(f"{private}  (giữ bí mật / keep secret)")
    echo(f"{certificate}  đến / until {time_text(issued.ends_ms)}")


@centre_group.command("admin-link")
@_SETTINGS
@report_errors
def admin_link_command(path: Path) -> None:
    """Print a link to the administrator's page, good for 15 minutes and one browser."""
    settings = load_enrolment_settings(path)
    token = AdminAccess(open_registry(settings).engine).make_link()
    give_to_owner(settings.folder)
    echo(f"{settings.url}/admin/#{token}")


@centre_group.command("sites")
@_SETTINGS
@report_errors
def sites_command(path: Path) -> None:
    """List the sites: code open, used or expired; certificate until when."""
    for site in open_registry(load_enrolment_settings(path)).sites():
        ends = site.certificate_ends_ms
        echo(
            f"{site.identity.province}/{site.identity.id}  {site.identity.name}  "
            f"{_CODE[site.code_state]}  "
            + (f"chứng thư đến / certificate until {time_text(ends)}" if ends else "–")
            + ("  ĐÃ THU HỒI / REVOKED" if site.revoked_ms else "")
            + ("  MÃ BỊ DÙNG LẠI / CODE SHOWN BY ANOTHER MACHINE" if site.reused else "")
        )


@centre_group.command("documents")
@click.option("--month", help="As 2026-05.  [default: the last]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--save", type=PATH, help="Folder into which the kept files are written.")
@_SETTINGS
@report_errors
def documents_command(path: Path, month: str | None, save: Path | None, *, as_json: bool) -> None:
    """Say which province has delivered which monthly document. Ai đã gửi báo cáo tháng."""
    chosen = load_delivery_settings(path)
    month = month or past_months(now_ms(), 1)[0]
    if not re.fullmatch(r"20[0-9]{2}-(0[1-9]|1[0-2])", month):
        raise click.BadParameter("tháng như / like 2026-05", param_hint="--month")
    engine = open_registry(load_enrolment_settings(path)).engine
    store = DocumentStore(engine, max_bytes=chosen.max_mib << 20)
    delivered = store.delivered(month)
    if save is not None:
        echo(*(str(each) for each in save_files(store, delivered, save)))
    elif as_json:
        tree = overview_tree(month, chosen.kinds, delivered, now_ms=now_ms())
        click.echo(json.dumps(tree, ensure_ascii=False))
    else:
        echo(*overview_lines(month, chosen.kinds, delivered, now_ms=now_ms()))


_CODE = {
    "open": "mã còn hạn / code open",
    "used": "mã đã dùng / code used",
    "expired": "mã hết hạn / code expired",
    "none": "chưa có mã / no code",
}


def _reload(settings: EnrolmentSettings) -> None:
    """Have the broker read its files anew, or say that a person has to. Raises ConfigRejected."""
    reload_broker(settings)
    if not settings.reload:
        echo("còn phải / still to do: systemctl reload mosquitto", err=True)


def give_to_owner(folder: Path) -> None:
    """Give what root has made in *folder* to the folder's owner, who runs the console."""
    if os.geteuid() != 0:
        return
    top = folder if folder.name != "ca" else folder.parent
    owner = top.stat()
    for each in (folder, *folder.rglob("*")):
        os.chown(each, owner.st_uid, owner.st_gid, follow_symlinks=False)
