package natslog

import (
	"context"
	"encoding/json"
	"fmt"

	"tailstock/connector"
)

// Endpoints of the jobs of a source.
const (
	endpointJobs   = "jobs"
	endpointPlan   = "plan"
	endpointStart  = "start"
	endpointPause  = "pause"
	endpointResume = "resume"
	endpointCancel = "cancel"
)

// jobName is the question that names a job.
type jobName struct {
	ID string `json:"id"`
}

// JobEndpoints are the endpoints that put the jobs of a capture in the hands of
// clients: AccessRead lists them and says what one would do, AccessAdmin starts, pauses, resumes and cancels.
func JobEndpoints(jobs *connector.Jobs) []Endpoint {
	list := func(context.Context, []byte) (any, error) { return jobs.List(), nil }
	plan := func(ctx context.Context, question []byte) (any, error) {
		spec, err := jobSpec(question)
		if err != nil {
			return nil, err
		}
		return jobs.Plan(ctx, spec)
	}
	start := func(ctx context.Context, question []byte) (any, error) {
		spec, err := jobSpec(question)
		if err != nil {
			return nil, err
		}
		return jobs.Start(ctx, spec)
	}
	change := func(name string, f func(context.Context, string) error) Endpoint {
		return Endpoint{name, AccessAdmin, func(ctx context.Context, question []byte) (any, error) {
			var job jobName
			if err := json.Unmarshal(question, &job); err != nil {
				return nil, &connector.JobError{Reason: "not the name of a job: " + err.Error()}
			}
			return job, f(ctx, job.ID)
		}}
	}
	return []Endpoint{
		{endpointJobs, AccessRead, list},
		{endpointPlan, AccessRead, plan},
		{endpointStart, AccessAdmin, start},
		change(endpointPause, jobs.Pause),
		change(endpointResume, jobs.Resume),
		change(endpointCancel, jobs.Cancel),
	}
}

func jobSpec(question []byte) (connector.JobSpec, error) {
	var spec connector.JobSpec
	if err := json.Unmarshal(question, &spec); err != nil {
		return spec, &connector.JobError{Reason: "not a job: " + err.Error()}
	}
	return spec, nil
}

// RemoteJobs are the jobs of a source whose capture another process runs. Its
// methods are those of connector.Jobs, and fail with ErrNoDaemon besides.
type RemoteJobs struct {
	c      *Client
	source string
}

// Jobs returns the jobs of source.
func (c *Client) Jobs(source string) *RemoteJobs { return &RemoteJobs{c, source} }

// List returns the jobs as they stand.
func (j *RemoteJobs) List(ctx context.Context) ([]connector.JobStatus, error) {
	var out []connector.JobStatus
	err := j.c.Ask(ctx, j.source, AccessRead, endpointJobs, struct{}{}, &out)
	return out, err
}

// Plan says what a job would do.
func (j *RemoteJobs) Plan(ctx context.Context, spec connector.JobSpec) (connector.JobPlan, error) {
	var out connector.JobPlan
	err := j.c.Ask(ctx, j.source, AccessRead, endpointPlan, spec, &out)
	return out, err
}

// Start asks for a job, and returns when it is durable.
func (j *RemoteJobs) Start(ctx context.Context, spec connector.JobSpec) (connector.JobStatus, error) {
	var out connector.JobStatus
	err := j.c.Ask(ctx, j.source, AccessAdmin, endpointStart, spec, &out)
	return out, err
}

// Pause has a job wait until it is resumed, also over restarts.
func (j *RemoteJobs) Pause(ctx context.Context, id string) error {
	return j.change(ctx, endpointPause, id)
}

// Resume has a paused job go on.
func (j *RemoteJobs) Resume(ctx context.Context, id string) error {
	return j.change(ctx, endpointResume, id)
}

// Cancel gives a job up.
func (j *RemoteJobs) Cancel(ctx context.Context, id string) error {
	return j.change(ctx, endpointCancel, id)
}

func (j *RemoteJobs) change(ctx context.Context, endpoint, id string) error {
	var out jobName
	if err := j.c.Ask(ctx, j.source, AccessAdmin, endpoint, jobName{id}, &out); err != nil {
		return err
	}
	if out.ID != id {
		return fmt.Errorf("%s job %s of source %s: the answer is about job %s", endpoint, id, j.source, out.ID)
	}
	return nil
}
