// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// The account: sign-in, key, credits and their use, engines, limits.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { LedgerRow, Model } from "./api";
import { ask, asRefusal, credits, key } from "./api";
import { amount, dateTime } from "./format";
import { isSignedIn, models, needsKey, refusal } from "./session";
import { signIn, signOut } from "./start";

const LIMITS: Record<string, string> = {
  requests_per_min: "requests per minute",
  jobs_at_once: "runs at once",
  jobs_waiting: "runs in the queue",
  body_mib: "MiB per request",
  picture_mib: "MiB per picture",
  picture_megapixels: "megapixels per picture",
  job_keep_h: "hours until a run is deleted",
};

type Limits = Record<string, number | null>;
interface KeyObject {
  id: string;
  name: string;
  expires_at: string | null;
}

export function Account() {
  return (
    <main id="main" tabIndex={-1} class="plain">
      <h1>Account</h1>
      {isSignedIn.value ? <Overview /> : <SignIn />}
    </main>
  );
}

export function SignIn() {
  const text = useSignal("");
  const isBusy = useSignal(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    isBusy.value = true;
    await signIn(text.value.trim());
    isBusy.value = false;
  };
  return (
    <form class="signin" onSubmit={(event) => void submit(event)}>
      <p>Sign in with your key. This browser stores it.</p>
      <label for="key">Key</label>
      <div class="pair">
        <input
          id="key"
          type="password"
          autocomplete="off"
          spellcheck={false}
          placeholder="fv_…"
          value={text.value}
          aria-describedby="key-wrong"
          onInput={(event) => {
            text.value = event.currentTarget.value;
          }}
        />
        <button type="submit" class="primary" disabled={!text.value.trim() || isBusy.value}>
          Sign in
        </button>
      </div>
      <p id="key-wrong" class={refusal.value ? "note bad" : "unseen"} role="alert">
        {refusal.value?.message}
      </p>
      <p class="sub">
        No key? Run <code>fourview keys create --name me</code> on the machine of the service, or open the sign-in link
        that the service printed when it first started; that link works once.
      </p>
    </form>
  );
}

function Overview() {
  const limits = useSignal<Limits>({});
  const about = useSignal<KeyObject | null>(null);
  useEffect(() => {
    const load = async () => {
      [limits.value, about.value] = await Promise.all([
        ask<Limits>("/api/v1/limits"),
        ask<KeyObject>("/api/v1/keys/self"),
      ]);
    };
    load().catch(() => undefined); // the cards stay empty
  }, [key.value]);
  return (
    <>
      <div class="cards">
        <section>
          <h2>Credits</h2>
          <p class="big">{credits.value ?? "free"}</p>
        </section>
        <section>
          <h2>Key</h2>
          <p>
            <code>{about.value?.id ?? "…"}</code>
          </p>
          <p class="sub">
            {about.value?.name}
            {about.value?.expires_at ? `, until ${dateTime(about.value.expires_at)}` : ""}
          </p>
          {needsKey.value && (
            <button type="button" onClick={signOut}>
              Sign out
            </button>
          )}
        </section>
        <section>
          <h2>Engines</h2>
          <ul class="bare-list">
            {models.value.map((model) => (
              <li key={model.id}>
                <b>{model.id}</b> {stateOf(model)}
              </li>
            ))}
          </ul>
        </section>
        <section>
          <h2>Limits</h2>
          <ul class="bare-list">
            {Object.entries(LIMITS)
              .filter(([name]) => limits.value[name] != null)
              .map(([name, words]) => (
                <li key={name}>
                  <b>{amount(limits.value[name] ?? null)}</b> {words}
                </li>
              ))}
          </ul>
        </section>
      </div>
      <Usage key={key.value} />
    </>
  );
}

function stateOf(model: Model): string {
  if (!model.installed) return `not installed: needs ${model.lacks ?? "its package"}`;
  return `${model.price} ${model.price === 1 ? "credit" : "credits"} for a standard run`;
}

function Usage() {
  const rows = useSignal<LedgerRow[]>([]);
  const next = useSignal<string | null>(null);
  const error = useSignal("");
  const load = async (after = "") => {
    try {
      const page = await ask<{ data: LedgerRow[]; next: string | null }>(
        `/api/v1/usage?limit=25${after && `&after=${after}`}`,
      );
      rows.value = after ? [...rows.value, ...page.data] : page.data;
      next.value = page.next;
    } catch (failure) {
      error.value = asRefusal(failure).message;
    }
  };
  useEffect(() => void load(), []);
  return (
    <>
      <h2>Usage</h2>
      {error.value && (
        <p class="note bad" role="alert">
          {error.value}
        </p>
      )}
      <div class="wide" tabIndex={0} role="region" aria-label="Usage">
        <table>
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">What</th>
              <th scope="col" class="run">
                Run
              </th>
              <th scope="col" class="num">
                Change
              </th>
              <th scope="col" class="num">
                Balance
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.value.map((row) => (
              <tr key={row.id}>
                <td>{dateTime(row.at)}</td>
                <td>{[row.kind, row.note].filter(Boolean).join(", ")}</td>
                <td class="mono run">{row.job_id}</td>
                <td class="num">{row.change}</td>
                <td class="num">{row.balance}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {next.value && (
        <button type="button" onClick={() => void load(next.value ?? "")}>
          Show older entries
        </button>
      )}
    </>
  );
}
