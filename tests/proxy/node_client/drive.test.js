// Every method of the published toxiproxy-node-client, called on the server at TOXIPROXY_URL.
// The package is found from where the test is run; nothing of it lies here.
"use strict";

const assert = require("node:assert");
const { createRequire } = require("node:module");
const path = require("node:path");
const { afterEach, test } = require("node:test");

const { Toxiproxy } = createRequire(path.join(process.cwd(), "x.js"))("toxiproxy-node-client");

const server = new Toxiproxy(process.env.TOXIPROXY_URL);
const body = (name) => ({ name, listen: "localhost:0", upstream: "localhost:6379" });
const fails = (promise, status) =>
  assert.rejects(promise, (error) => error.message === `Request failed with status code ${status}`);

afterEach(async () => {
  for (const proxy of Object.values(await server.getAll())) await proxy.remove();
});

test("the version", async () => {
  const answer = await server.getVersion(); // 4.0 gives the response, 4.1 the text of its body
  const { version } = typeof answer === "string" ? JSON.parse(answer) : answer.data;
  assert.match(version, /^\d+\.\d+\.\d+|^git$/);
});

test("a proxy is created, found, listed and removed", async () => {
  const made = await server.createProxy(body("p"));
  assert.match(made.listen, /^127\.0\.0\.1:[1-9]\d*$/);
  assert.deepStrictEqual(made.toJson(), { ...body("p"), listen: made.listen, enabled: true });
  assert.deepStrictEqual((await server.get("p")).toJson(), made.toJson());
  assert.deepStrictEqual(Object.keys(await server.getAll()), ["p"]);
  await made.remove();
  await fails(server.get("p"), 404);
  await fails(made.remove(), 404);
});

test("a name is taken once", async () => {
  await server.createProxy(body("p"));
  await fails(server.createProxy(body("p")), 409);
});

test("what a proxy lacks is refused", async () => {
  await fails(server.createProxy({ name: "p" }), 400);
});

test("a proxy is disabled, enabled and led elsewhere", async () => {
  const made = await server.createProxy(body("p"));
  assert.strictEqual((await made.update({ enabled: false, listen: made.listen, upstream: made.upstream })).enabled, false);
  const moved = await made.update({ enabled: true, listen: made.listen, upstream: "somewhere:12345" });
  assert.deepStrictEqual([moved.enabled, moved.upstream, moved.listen], [true, "somewhere:12345", made.listen]);
});

test("populate and reset", async () => {
  const proxies = await server.populate([body("one"), { ...body("two"), enabled: false }]);
  assert.deepStrictEqual([proxies.one.enabled, proxies.two.enabled], [true, false]);
  await proxies.one.addToxic({ type: "latency", attributes: { latency: 1, jitter: 0 } });
  await server.reset();
  const after = await server.getAll();
  assert.strictEqual(after.two.enabled, true);
  await fails(after.one.getToxic("latency_downstream"), 404);
});

const toxics = {
  latency: { latency: 1000, jitter: 100 },
  bandwidth: { rate: 1000 },
  slow_close: { delay: 1000 },
  timeout: { timeout: 5000 },
  slicer: { average_size: 1000, size_variation: 1000, delay: 1000 },
  reset_peer: { timeout: 1000 },
  limit_data: { bytes: 42 },
};

for (const [type, attributes] of Object.entries(toxics)) {
  test(`the toxic ${type} is added, found, updated and removed`, async () => {
    const proxy = await server.createProxy(body("p"));
    const added = await proxy.addToxic({ type, attributes });
    const expected = { name: `${type}_downstream`, type, stream: "downstream", toxicity: 1, attributes };
    assert.deepStrictEqual(added.toJson(), expected);
    assert.deepStrictEqual((await proxy.getToxic(added.name)).toJson(), expected);
    const doubled = Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, 2 * value]));
    assert.deepStrictEqual((await added.update({ attributes: doubled })).attributes, doubled);
    await added.remove();
    await fails(proxy.getToxic(added.name), 404);
  });
}

test("a toxic has a name, a direction and a toxicity of its own", async () => {
  const proxy = await server.createProxy(body("p"));
  const wanted = { name: "mine", type: "latency", stream: "upstream", toxicity: 0.5, attributes: { latency: 1, jitter: 2 } };
  assert.deepStrictEqual((await proxy.addToxic(wanted)).toJson(), wanted);
  await fails(proxy.addToxic(wanted), 409);
});

test("a toxic that there is not is refused", async () => {
  const proxy = await server.createProxy(body("p"));
  await fails(proxy.addToxic({ type: "nonsense", attributes: {} }), 400);
  await fails(proxy.addToxic({ type: "latency", stream: "sideways", attributes: {} }), 400);
});
