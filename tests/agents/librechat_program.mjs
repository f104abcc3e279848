// What LibreChat's server asks: a run of its agents' package, as its endpoints configure it. The
// first argument is the endpoint, the second the task. Prints a line of JSON.

import { readFileSync } from "node:fs";
import { appendFileSync } from "node:fs";
import { HumanMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { Providers, Run } from "@librechat/agents";

const [endpoint, task] = process.argv.slice(2);
const { OPENAI_BASE_URL, OPENAI_API_KEY, ANTHROPIC_BASE_URL, MODEL } = process.env;

const openAI = {
  provider: Providers.OPENAI,
  model: MODEL,
  streaming: true,
  streamUsage: true,
  user: "64f1c0ffee",
  apiKey: OPENAI_API_KEY,
  configuration: { baseURL: OPENAI_BASE_URL },
};

const CONFIGS = {
  openAI,
  openAIResponses: { ...openAI, useResponsesApi: true },
  anthropic: {
    provider: Providers.ANTHROPIC,
    model: MODEL,
    stream: true,
    maxTokens: 8192,
    thinking: { type: "enabled", budget_tokens: 2000 },
    promptCache: true,
    apiKey: OPENAI_API_KEY,
    anthropicApiUrl: ANTHROPIC_BASE_URL,
    clientOptions: { baseURL: ANTHROPIC_BASE_URL },
  },
};

const schema = {
  type: "object",
  properties: { line: { type: "string" } },
  required: ["line"],
};

const note = tool(
  async ({ line }) => {
    if (line === "bad") throw new Error("no such line");
    appendFileSync("notes.txt", `${line}\n`);
    return `noted ${line}`;
  },
  { name: "note", description: "Notes a line.", schema },
);

function said() {
  if (task !== "image") return "Note it.";
  const data = readFileSync("a.png").toString("base64");
  return [
    { type: "text", text: "What colour?" },
    { type: "image_url", image_url: { url: `data:image/png;base64,${data}`, detail: "auto" } },
  ];
}

const run = await Run.create({
  runId: "run",
  graphConfig: {
    type: "standard",
    instructions: "You are a helpful assistant.",
    llmConfig: CONFIGS[endpoint],
    tools: task === "image" ? [] : [note],
  },
  returnContent: true,
});
const config = {
  configurable: { thread_id: "thread", user_id: "64f1c0ffee" },
  streamMode: "values",
  version: "v2",
};
const content = await run.processStream({ messages: [new HumanMessage({ content: said() })] }, config);
console.log(JSON.stringify(content));
