// What the server tells the set-up page: gateway/setup/messages.py.

export type StepName = "enrol" | "account" | "channels" | "test" | "save" | "survey";

/** What is wrong and what to do about it; the last two may be empty. */
export interface Wording { vi: string; en: string; vi_todo: string; en_todo: string }

/** One setting of a stream, as it is and as it should be. */
export interface Advice { vi: string; en: string; now: string; to: string }

export interface StreamTest {
  profile: "main" | "sub";
  ok: boolean;
  wording: Wording | null;
  fact: string;
  measured: string;
  advice: Advice[];
}

export interface Channel {
  key: string;
  device: string;
  number: number;
  label: string;
  signal: "live" | "none" | "unknown";
  picture: string | null;
  looked: boolean;
  trouble: Wording | null;
  chosen: boolean;
  name: string;
  place: string;
  tests: StreamTest[];
}

export interface Device { id: string; host: string; maker: string; model: string; username: string }

/** "+", "~" or "-"; the camera's id; its name. */
export type Change = [string, string, string];

export interface Line { type?: string; isp?: string; down_mbps?: number; up_mbps?: number }

export interface Survey {
  centre?: { code?: string; name?: string; address?: string };
  vms_kind?: string;
  exposed?: { declared?: boolean };
  reach_from_office?: { ok?: boolean; net?: string };
  line?: Line;
  uplink?: Line;
  ioc?: { name: string; functions?: string; data_managed?: string }[];
}

export interface State {
  step: StepName;
  steps: StepName[];
  reachable: StepName[];
  closes_in_s: number;
  busy: { name: "enrol" | "find" | "ask" | "look" | "test"; done: number; total: number } | null;
  notice: Wording | null;
  gateway: string;
  networks: string[];
  /** That of the last device, which may be added; empty: none is missing. */
  missing_network: string;
  /** Those of the box itself that are not among the camera networks yet, and may be added. */
  own_networks: string[];
  can_enrol: boolean;
  enrolled: string;
  broken: string;
  before: { id: string; name: string }[];
  makers: { id: string; label: string; channels: boolean }[];
  /** Devices in the camera networks, as far as they tell strangers. */
  found: { host: string; maker: string; model: string; kind: string }[];
  devices: Device[];
  channels: Channel[];
  planned: Change[];
  saved: { path: string; changes: Change[]; secrets: string[]; ruled_by_centre: boolean } | null;
  can_restart: boolean;
  restarted: boolean;
  survey: Survey;
}
