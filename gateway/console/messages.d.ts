// What browser and server say to each other over the WebSocket, as types for the page's JavaScript.
// Mirrors messages.py and views.py, which say what each field means; a test compares the names.

export type State = "on" | "deg" | "off" | "unk";
export type SiteState = "on" | "off" | "unk";
export type Severity = "warning" | "minor" | "major" | "critical";

export interface CameraView {
  id: string;
  name: string;
  location: string;
  st: State;
  reason: string | null;
  since_ms: number | null;
  seen_ms: number | null;
  attempts: number;
  again_ms: number | null;
  fps: number;
  kbps: number;
  codec: string | null;
  size: string | null;
  viewers: number;
  advice: string[];
}

export interface AlarmView {
  key: string;
  sev: Severity;
  reason: string;
  since_ms: number | null;
  args: Record<string, string | number>;
  flap: boolean;
  explains: number;
}

export interface SiteView {
  gw: string;
  prov: string;
  province: string;
  name: string;
  st: SiteState;
  why: string;
  since_ms: number | null;
  ep: number | null;
  version: string;
  invalid: string;
  ids: string[];
  cams: CameraView[];
  alarms: AlarmView[];
}

export interface BrokerView {
  up: boolean;
  since_ms: number;
}

/** Candidates as browsers spell them. */
export interface CandidateText {
  candidate: string;
  sdpMid: string | null;
}

// --- what the server says ----------------------------------------------------------------------

/** An RTCIceServer. */
export interface IceServer {
  urls: string[];
  username?: string;
  credential?: string;
}

export interface HelloMessage {
  k: "hello";
  viewer: string;
  ice: IceServer[];
  now_ms: number;
  documents: boolean;
}

/** New credentials, for sessions from now on. */
export interface IceMessage {
  k: "ice";
  ice: IceServer[];
}

/** After 5 s without another message. */
export interface TickMessage {
  k: "tick";
  now_ms: number;
}

export interface SitesMessage {
  k: "sites";
  full: boolean;
  sites: SiteView[];
  gone: string[];
}

export interface BrokerMessage extends BrokerView {
  k: "broker";
}

export interface AnswerMessage {
  k: "answer";
  sid: string;
  sdp: string;
}

export interface RemoteByeMessage {
  k: "bye";
  sid: string;
  why: string;
}

export interface ErrorMessage {
  k: "error";
  sid: string;
  code: number;
  reason: string;
  detail: string;
}

export interface ServerMessages {
  hello: HelloMessage;
  ice: IceMessage;
  tick: TickMessage;
  sites: SitesMessage;
  broker: BrokerMessage;
  answer: AnswerMessage;
  bye: RemoteByeMessage;
  error: ErrorMessage;
  level: LevelMessage;
}

/** What the gateway sends of the camera: the main stream, the sub-stream, one that it transcodes, or keyframes only. */
export type Level = "main" | "sub" | "transcoded" | "reduced" | "keyframes";

export interface LevelMessage {
  k: "level";
  sid: string;
  level: Level;
  /** Reason code of why it is not the main stream. */
  why: string | null;
}

export type SignallingMessage = AnswerMessage | RemoteByeMessage | ErrorMessage | LevelMessage;

/** wording.json: the texts of each reason code. */
export type ReasonTexts = Record<string, Wording>;

export interface Wording {
  vi: string;
  en: string;
  vi_todo: string;
  en_todo: string;
}

// --- what a browser says -----------------------------------------------------------------------

export interface OfferMessage {
  k: "offer";
  sid: string;
  prov: string;
  gw: string;
  cam: string;
  profile?: string | null;
  sdp: string;
}

export interface CandidatesMessage {
  k: "cand";
  sid: string;
  c: CandidateText[];
  end: boolean;
}

export interface ByeMessage {
  k: "bye";
  sid: string;
  why: string;
}

export type BrowserMessage = OfferMessage | CandidatesMessage | ByeMessage;
