// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// Who is here: the key, what is left, what it was spent on, what the limits are.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { LedgerRow } from "./api";
import { ask, credits, keepKey, key } from "./api";
import { when } from "./format";
import { amount } from "./settings";
import { enter, fault, isIn, leave, models, needsKey } from "./state";

const LIMITS: Record<string, string> = {
  requests_per_min: "requests a minute",
  jobs_at_once: "runs at once",
  jobs_waiting: "runs that may wait",
  body_mib: "MiB a request",
  picture_mib: "MiB a picture",
  picture_megapixels: "megapixels a picture",
  job_keep_h: "hours a run is kept",
};

export function Account() {
  return (
    <main id="main" class="plain">
      <h1>Account</h1>
      {isIn.value ? <Inside /> : <Outside />}
    </main>
  );
}

export function Outside() {
  const text = useSignal("");
  const isBusy = useSignal(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    isBusy.value = true;
    keepKey(text.value.trim());
    await enter();
    isBusy.value = false;
  };
  return (
    <form class="signin" onSubmit={(event) => void submit(event)}>
      <p>
        The first start of the service prints a link that signs you in, once. Later a key does; it stays in this
        browser.
      </p>
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
          onInput={(event) => (text.value = event.currentTarget.value)}
        />
        <button type="submit" class="primary" disabled={!text.value.trim() || isBusy.value}>
          Sign in
        </button>
      </div>
      <p id="key-wrong" class={fault.value ? "note bad" : "unseen"} role="alert">
        {fault.value?.message}
      </p>
      <p class="sub">
        No key? <code>fourview keys create --name me</code> prints one, where the service runs.
      </p>
    </form>
  );
}

function Inside() {
  const rows = useSignal<LedgerRow[]>([]);
  const next = useSignal<string | null>(null);
  const limits = useSignal<Record<string, number | null>>({});
  const about = useSignal<{ id: string; name: string; expires_at: string | null } | null>(null);
  const trouble = useSignal("");
  const load = async (after = "") => {
    try {
      const page = await ask<{ data: LedgerRow[]; next: string | null }>(
        `/api/v1/usage?limit=25${after && `&after=${after}`}`,
      );
      rows.value = after ? [...rows.value, ...page.data] : page.data;
      next.value = page.next;
    } catch (error) {
      trouble.value = (error as Error).message;
    }
  };
  useEffect(() => {
    void load();
    ask<Record<string, number | null>>("/api/v1/limits").then(
      (found) => (limits.value = found),
      () => undefined,
    );
    ask<{ id: string; name: string; expires_at: string | null }>("/api/v1/keys/self").then(
      (found) => (about.value = found),
      () => undefined,
    );
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
            {about.value?.expires_at ? `, until ${when(about.value.expires_at)}` : ""}
          </p>
          {needsKey.value && (
            <button type="button" onClick={leave}>
              Sign out
            </button>
          )}
        </section>
        <section>
          <h2>Engines</h2>
          <ul class="bare-list">
            {models.value.map((model) => (
              <li key={model.id}>
                <b>{model.id}</b>{" "}
                {model.installed
                  ? `is here, ${model.price} ${model.price === 1 ? "credit" : "credits"} a default run`
                  : `is not here: ${model.lacks ?? "not installed"}`}
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
      <h2>Usage</h2>
      {trouble.value && (
        <p class="note bad" role="alert">
          {trouble.value}
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
                <td>{when(row.at)}</td>
                <td>
                  {row.kind}
                  {row.note ? `, ${row.note}` : ""}
                </td>
                <td class="mono run">{row.job_id ?? ""}</td>
                <td class="num">{row.change}</td>
                <td class="num">{row.balance}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {next.value && (
        <button type="button" onClick={() => void load(next.value ?? "")}>
          Show earlier ones
        </button>
      )}
    </>
  );
}
